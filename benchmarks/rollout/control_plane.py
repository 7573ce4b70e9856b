"""A master's etcd and API server as processes of this computer, with the flags and the secrets of a release."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from agent.host import NodeError

from benchmarks.rollout import programs
from benchmarks.rollout.place import HOST, Place
from generator import pki
from generator.errors import UserError
from generator.store import Secrets

START_SECONDS = 300
# What it is on a machine, and is not here: there is no network of machines to announce an address in.
ALONE = ("--endpoint-reconciler-type=none", f"--bind-address={HOST}")


@contextmanager
def running(place: Place, release: Mapping[str, Any], secrets: Secrets) -> Iterator[dict[str, int]]:
    """Both of them, once they serve: component -> process id. UserError where that does not come to be."""
    for component, files in pki.documents(secrets).items():
        for name, text in files.items():
            _write(place.folder / component / name, text)
    specs = {spec["component"]: spec for spec in release["roles"]["master"]["containers"]}
    etcd, server = _etcd(place, specs["etcd"]), _api_server(place, specs["kube-apiserver"])
    bin = place.folder / "bin"
    with ExitStack() as stack:
        pids = {
            "etcd": stack.enter_context(_process(place, [str(programs.take("etcd", bin)), *etcd])),
            "API server": stack.enter_context(_process(place, [str(programs.take("hyperkube", bin)), *server])),
        }
        _wait(place)
        yield pids


def _etcd(place: Place, spec: Mapping[str, Any]) -> list[str]:
    """Its arguments, on ports of its own."""
    member = f"etcd1=https://{HOST}:{place.peer}"
    words = _filled(
        spec["command"][1:],
        {
            "@MEMBER@.weave.local": HOST, "@MEMBER@": "etcd1", "0.0.0.0": HOST, ":2379": f":{place.etcd}",
            ":2380": f":{place.peer}", "@INITIAL_CLUSTER@": member, "@CLUSTER_STATE@": "new",
            "/etc/kubernetes": str(place.folder), "/var/lib/etcd": str(place.folder),
        },
    )  # fmt: skip
    return [word for word in words if not word.startswith("--listen-metrics-urls")]


def _api_server(place: Place, spec: Mapping[str, Any]) -> list[str]:
    for name, text in spec["files"].items():
        _write(place.folder / "kube-apiserver" / name, text)
    values = {
        "@MEMBER@.weave.local:2379": f"{HOST}:{place.etcd}", "/etc/kubernetes": str(place.folder),
        "/var/log/kubernetes": str(place.folder / "log"),
    }  # fmt: skip
    return [*_filled(spec["command"][1:], values), *ALONE, f"--secure-port={place.api}"]


def _filled(words: list[str], values: Mapping[str, str]) -> list[str]:
    for known, value in values.items():
        words = [word.replace(known, value) for word in words]
    return words


@contextmanager
def _process(place: Place, command: list[str]) -> Iterator[int]:
    with (place.folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait(place: Place) -> None:
    """Until the API server has made what it always has."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            place.administrator().call("GET", "/api/v1/namespaces/kube-system")
            return
        except (NodeError, OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                log = (place.folder / "hyperkube.log").read_text(errors="replace")
                raise UserError(f"The API server does not serve: {error}", log[-2000:]) from None
        time.sleep(0.5)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
