"""This machine: who it is, and running its commands."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATE = Path("/var/lib/anywhere")


class NodeError(Exception):
    """A stage cannot go on; the text is the reason shown to the user."""


@dataclass(frozen=True)
class Host:
    """Name, role and group, as user-data and the instance metadata gave them; `metadata` is that service's address."""

    name: str
    role: str
    group: str
    address: str
    metadata: str

    @property
    def member(self) -> str:
        """This machine's name as an etcd member: etcdN on etcdN or masterN."""
        return "etcd" + "".join(c for c in self.name if c.isdigit())


def read(release: Mapping[str, Any]) -> Host:
    """This machine, its address being the one on the release's machines network."""
    settings = dict(
        line.split("=", 1) for line in Path("/etc/anywhere/node.env").read_text().splitlines() if "=" in line
    )
    return Host(
        name=socket.gethostname().split(".")[0],
        role=settings["ANYWHERE_ROLE"],
        group=settings["ANYWHERE_GROUP"],
        address=_address_in(release["network"]["machines"]),
        metadata=settings["ANYWHERE_METADATA"],
    )


def _address_in(network: str) -> str:
    inside = ipaddress.IPv4Network(network)
    for interface in json.loads(run("ip", "-j", "-4", "address", "show")):
        for found in interface["addr_info"]:
            if ipaddress.IPv4Address(found["local"]) in inside:
                return str(found["local"])
    raise NodeError(f"no interface has an address in {network}")


def run(*command: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and give its output; NodeError carries what it said on failure."""
    done = subprocess.run(command, input=stdin, capture_output=True, env=env and dict(env), check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise NodeError(f"{' '.join(command[:4])}: exit {done.returncode}: {said[-300:]}")
    return done.stdout.decode(errors="replace")


def fetch(key: str) -> bytes:
    """A document of this machine, by key, as its target hands it out."""
    done = subprocess.run(["anywhere-fetch", key], capture_output=True, check=False)
    if done.returncode != 0:
        raise NodeError(f"anywhere-fetch {key}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


def put(path: Path, text: str, mode: int = 0o644) -> bool:
    """Have `path` hold `text`; True where it did not. `mode` is that of a new file, from its first byte on."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(text)
    return True


def wait(what: str, ready: Callable[[], bool], seconds: float) -> None:
    """Ask `ready` until it says yes; NodeError after `seconds`."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise NodeError(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(0.5)
