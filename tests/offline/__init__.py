"""The clouds' Terraform providers and APIs without a network, for tests and `make offline`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROVIDERS = ("aws", "google")
CLOUDS = (("offline.cloud",), ("gce.cloud",))
_REGISTRIES = ("registry.terraform.io", "registry.opentofu.org")


@contextmanager
def offline(apply: str = "refuse") -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform takes the stand-ins for providers, and cloud libraries the clouds served here.

    `apply` says what the stand-ins do with it: `refuse`, or `invent` (resources in Terraform's state only).
    """
    programs = (*(("offline.provider", name, apply) for name in PROVIDERS), *CLOUDS)
    with _programs(*programs) as (*providers, moto, google):
        yield {**_reattach(dict(zip(PROVIDERS, providers, strict=True))), **_aws(moto), **_google(google)}


@contextmanager
def stand_ins() -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform takes the stand-ins for providers, and clouds are nowhere to be asked."""
    with _programs(*(("offline.provider", name, "refuse") for name in PROVIDERS)) as providers:
        nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "ANYWHERE_GCE_ENDPOINT": "http://127.0.0.1:9"}
        yield {**_reattach(dict(zip(PROVIDERS, providers, strict=True))), **nobody}


@contextmanager
def served_clouds() -> Iterator[Mapping[str, str]]:
    """The environment in which cloud libraries take the clouds served here; Terraform's providers are the real ones."""
    with _programs(*CLOUDS) as (moto, google):
        yield {**_aws(moto), **_google(google)}


@contextmanager
def _programs(*commands: tuple[str, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Programs of this package; each ends with its standard input, so none can outlive us."""
    with ExitStack() as stack:
        programs = [stack.enter_context(_start(*command)) for command in commands]
        try:
            yield programs
        finally:
            for program in programs:  # all told before the first is waited for
                if program.stdin:
                    program.stdin.close()


def _start(name: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"tests.{name}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _first_line(program: subprocess.Popen[str]) -> str:
    line = program.stdout.readline().strip() if program.stdout else ""
    if not line:
        raise RuntimeError(f"{program.args!r} did not start (exit {program.wait()})")
    return line


def _reattach(programs: Mapping[str, subprocess.Popen[str]]) -> dict[str, str]:
    """What tells Terraform, or OpenTofu, that a provider is running already."""
    providers = {
        f"{registry}/hashicorp/{name}": {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": program.pid,
            "Test": True,  # it is not Terraform's to end
            "Addr": {"Network": "unix", "String": socket},
        }
        for name, program in programs.items()
        for socket in [_first_line(program)]
        for registry in _REGISTRIES
    }
    return {"TF_REATTACH_PROVIDERS": json.dumps(providers)}


def _aws(program: subprocess.Popen[str]) -> dict[str, str]:
    """What points AWS clients at moto, and away from a person's own credentials."""
    return {
        "AWS_ENDPOINT_URL": _first_line(program),
        "AWS_ACCESS_KEY_ID": "offline",
        "AWS_SECRET_ACCESS_KEY": "offline",
        "AWS_SESSION_TOKEN": "",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _google(program: subprocess.Popen[str]) -> dict[str, str]:
    """What points Google's libraries at our server, without credentials."""
    return {"ANYWHERE_GCE_ENDPOINT": _first_line(program)}
