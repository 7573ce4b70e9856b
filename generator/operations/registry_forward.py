"""A way from this computer to the registry in the cluster, through the API server: kubectl's port forwarding."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.errors import UserError

HOST = "127.0.0.1"
FORWARDING = re.compile(rf"Forwarding from {re.escape(HOST)}:(\d+) -> ")


@dataclass(frozen=True, slots=True)
class Forward:
    """Connections to `port` of this computer reach the registry until `process` ends."""

    port: int
    process: subprocess.Popen[str]


def check(port: int) -> None:
    """UserError where something else listens on the port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise UserError(
            f"Port {port} of this computer cannot be listened on: {error.strerror}.",
            "Images are called by it, so it cannot be another one. End what has it; `ss -tlnp` may name it.",
        ) from None


@contextmanager
def opened(kubeconfig: Path, remote: int, local: int = 0) -> Iterator[Forward]:
    """Forward a port of this computer to port `remote` of the registry; any that is free where `local` is 0."""
    kubectl = [_kubectl(), f"--kubeconfig={kubeconfig}", "--namespace=kube-system", "port-forward"]
    with subprocess.Popen(
        [*kubectl, f"--address={HOST}", "service/registry", f"{local or ''}:{remote}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            yield Forward(_port(process), process)
        finally:
            process.terminate()


def wait(forward: Forward) -> None:
    """Return once the forwarding has ended, as it does where the registry's pod goes."""
    for _ in forward.process.stdout or ():  # it says a line for each connection, which would fill the pipe
        pass


def _kubectl() -> str:
    if path := shutil.which("kubectl"):
        return path
    raise UserError("kubectl is not installed.", "Install it: https://kubernetes.io/docs/tasks/tools/.")


def _port(process: subprocess.Popen[str]) -> int:
    for line in process.stdout or ():
        if found := FORWARDING.match(line):
            return int(found[1])
    raise UserError(
        "The registry in the cluster is not reached: kubectl said why.",
        "`anywhere status` shows whether it runs. Just installed, it starts within minutes.",
    )
