"""This machine: who it is, and running its commands."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from agent.files import put

STATE = Path("/var/lib/anywhere")
CONVERGED = STATE / "converged.json"  # the release that this machine was last ready with
RUN = Path("/run/anywhere")  # empty after each boot
NAME = STATE / "name"
CLOUD_INIT = Path("/etc/cloud/cloud.cfg.d/95-anywhere-name.cfg")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # the kernel's names to Debian's


class NodeError(Exception):
    """A stage cannot continue; the text is the reason, shown to the user."""


@dataclass(frozen=True)
class Host:
    """Name, role and group, from user-data and instance metadata; `metadata` is the address of that service.

    `mtu` is that of the network between machines, in bytes.
    """

    name: str
    role: str
    group: str
    address: str
    metadata: str
    mtu: int

    @property
    def member(self) -> str:
        """This machine's name as an etcd member: etcdN on etcdN or masterN."""
        return "etcd" + "".join(c for c in self.name if c.isdigit())


def release(text: str) -> dict[str, Any]:
    """The release with the images and packages of this machine's architecture, and `image_ids` of all architectures."""
    whole, machine = json.loads(text), os.uname().machine
    arch = ARCHITECTURES.get(machine, machine)
    if arch not in whole["images"]:
        raise NodeError(f"the release has no images for {arch}")
    ids = {name: [images[name]["id"] for images in whole["images"].values()] for name in whole["images"][arch]}
    mine = {"images": whole["images"][arch], "packages": whole.get("packages", {}).get(arch), "arch": arch}
    return {**whole, **mine, "image_ids": ids}


def take_name() -> None:
    """Set the host name to the one that the target gives this machine, asked once per disk."""
    name = NAME.read_text().strip() if NAME.exists() else ""
    if not name:
        name = fetch("machine/name").decode(errors="replace").strip()
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise NodeError(f"the target calls this machine {name!r}, which is not a valid host name")
        put(NAME, f"{name}\n")
    if socket.gethostname() != name:
        put(CLOUD_INIT, "preserve_hostname: true\n")  # at each boot it would go back to the instance's own name
        run("hostnamectl", "set-hostname", name)


def read(release: Mapping[str, Any]) -> Host:
    """This machine; its address is the one on the machines network of the release."""
    settings = dict(
        line.split("=", 1) for line in Path("/etc/anywhere/node.env").read_text().splitlines() if "=" in line
    )
    address, mtu = _address_in(release["network"]["machines"])
    return Host(
        name=socket.gethostname().split(".")[0],
        role=settings["ANYWHERE_ROLE"],
        group=settings["ANYWHERE_GROUP"],
        address=address,
        metadata=settings["ANYWHERE_METADATA"],
        mtu=mtu,
    )


def guarded(metadata: str, host_loopback: bool) -> list[str]:
    """The networks that this machine reaches, but its containers must not: the metadata service's address.

    Where a network of this machine's has that address, it is QEMU's user network, which leads every address to the
    loopback services of the computer that runs the machine: all of it, unless `host_loopback`.
    """
    for interface in json.loads(run("ip", "-j", "-4", "address", "show")):
        for address in interface["addr_info"]:
            network = ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
            if ipaddress.IPv4Address(metadata) in network and not host_loopback:
                return [str(network)]
    return [f"{metadata}/32"]


def _address_in(network: str) -> tuple[str, int]:
    """The address that this machine has in a network, and the MTU of its interface."""
    inside = ipaddress.IPv4Network(network)
    for interface in json.loads(run("ip", "-j", "-4", "address", "show")):
        for address in interface["addr_info"]:
            if ipaddress.IPv4Address(address["local"]) in inside:
                return str(address["local"]), int(interface["mtu"])
    raise NodeError(f"no interface has an address in {network}")


def run(*command: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output; NodeError carries its error output."""
    done = subprocess.run(command, input=stdin, capture_output=True, env=env and dict(env), check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise NodeError(f"{' '.join(command[:4])}: exit {done.returncode}: {said[-300:]}")
    return done.stdout.decode(errors="replace")


def fetch(key: str) -> bytes:
    """Fetch a document of this machine from its target, by key."""
    return _fetch(key, subprocess.PIPE)


def fetch_file(key: str, path: Path) -> None:
    """Like `fetch`, for a document that is too large to hold in memory."""
    with path.open("wb") as file:
        _fetch(key, file)


def _fetch(key: str, into: int | IO[bytes]) -> bytes:
    """Write a document `into` a file, or return its bytes from a pipe."""
    done = subprocess.run(["anywhere-fetch", key], stdout=into, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise NodeError(f"anywhere-fetch {key}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout or b""


def wait(what: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until `ready` returns True; NodeError after `seconds`.

    Asking takes a fifth of a processor at most: on a slow machine it would take time from what is waited for.
    """
    end, used = time.monotonic() + seconds, _processor_seconds()
    while not ready():
        if time.monotonic() > end:
            raise NodeError(f"{what} was not ready within {seconds:.0f} s")
        before, used = used, _processor_seconds()
        time.sleep(max(0.5, 4 * (used - before)))


def _processor_seconds() -> float:
    """The time that processors have spent on this process and on those that it ran."""
    return sum(os.times()[:4])
