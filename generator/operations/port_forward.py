"""A way from this computer to an add-on in the cluster, through the API server: kubectl's port forwarding."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from generator.errors import UserError

HOST = "127.0.0.1"
FORWARDING = re.compile(rf"Forwarding from {re.escape(HOST)}:(\d+) -> (\d+)")
AGAIN_SECONDS, POLL = 300.0, 2.0  # how long an add-on may be away, as while it is started anew


@dataclass(frozen=True, slots=True)
class Target:
    """What is forwarded to: `resource` of kube-system as kubectl has it, and its ports. `title` is for people."""

    title: str
    resource: str
    ports: tuple[int, ...]


def to_registry(port: int) -> Target:
    """The add-on `registry`, which listens on `port`."""
    return Target("The registry", "service/registry", (port,))


@dataclass(frozen=True, slots=True)
class Forward:
    """Connections to `ports` of this computer, by those of the target, reach it until `process` ends."""

    ports: Mapping[int, int]
    process: subprocess.Popen[str]


def check_program() -> None:
    """UserError where kubectl is not installed."""
    _kubectl()


def check(port: int, hint: str) -> None:
    """UserError, with `hint`, where something else listens on the port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise UserError(
            f"Port {port} of this computer cannot be listened on: {error.strerror}.",
            f"{hint} `ss -tlnp` may name what has it.",
        ) from None


@contextmanager
def opened(kubeconfig: Path, target: Target, *local: int) -> Iterator[Forward]:
    """Forward ports of this computer to those of the target: the `local` ones in that order, then any that are free."""
    kubectl = [_kubectl(), f"--kubeconfig={kubeconfig}", "--namespace=kube-system", "port-forward"]
    own = (*local, *([0] * len(target.ports)))
    pairs = [f"{port or ''}:{remote}" for port, remote in zip(own, target.ports, strict=False)]
    with subprocess.Popen(
        [*kubectl, f"--address={HOST}", target.resource, *pairs],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield Forward(_ports(process, target), process)
        finally:
            process.terminate()


def keep(kubeconfig: Path, target: Target, told: Callable[[Forward], None], *local: int) -> NoReturn:
    """Forward for good, and open the way again where the target's pod goes; `told` is called with each.

    UserError where it is not reached at first, or not for AGAIN_SECONDS.
    """
    until = 0.0  # the first time it must be there
    while True:
        try:
            with opened(kubeconfig, target, *local) as forward:
                told(forward)
                _wait(forward)
            until = time.monotonic() + AGAIN_SECONDS
        except UserError:
            if time.monotonic() > until:
                raise
        time.sleep(POLL)


def _wait(forward: Forward) -> None:
    """Return once the forwarding has ended, as it does where the target's pod goes."""
    for _ in forward.process.stdout or ():  # it says a line for each connection, which would fill the pipe
        pass


def _kubectl() -> str:
    if path := shutil.which("kubectl"):
        return path
    raise UserError("kubectl is not installed.", "Install it: https://kubernetes.io/docs/tasks/tools/.")


def _ports(process: subprocess.Popen[str], target: Target) -> dict[int, int]:
    found: dict[int, int] = {}
    for line in process.stdout or ():
        if said := FORWARDING.match(line):
            found[int(said[2])] = int(said[1])
        if len(found) == len(target.ports):
            return found
    raise UserError(
        f"{target.title} in the cluster is not reached: kubectl said why.",
        "`anywhere status` shows whether it runs. Just installed, it starts within minutes.",
    )
