"""The Ethernet between the virtual machines of a cluster: no process of its own, and nobody else can join.

It is a bridge in a network namespace. Every QEMU holds a port of the bridge and the namespace itself open, so both last
as long as any machine of the cluster is on. Only the user who started the machines, and root, can enter the namespace.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from generator.command import find
from generator.errors import UserError

TUN = Path("/dev/net/tun")
# linux/if_tun.h: an Ethernet device without a header of its own, whose frames carry the sums still to be made.
_TUNSETIFF, _TAP, _NO_HEADER, _VIRTIO_HEADER = 0x400454CA, 0x0002, 0x1000, 0x4000
_NAME_LIMIT = 15  # bytes of an interface's name


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the bridge: descriptors for QEMU, of which the first one carries the frames."""

    descriptors: tuple[int, ...]

    @property
    def frames(self) -> int:
        return self.descriptors[0]


@contextmanager
def port(network: str, machines: Iterable[int]) -> Iterator[Port]:
    """A port of `network`, the one that `machines` (pids) are on, or of a new one where they are on none.

    The descriptors are closed at the end; a process that inherited them keeps them. UserError where the kernel refuses.
    """
    held = next(filter(None, map(_held, machines)), None)
    with ExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        words = [*(_joining(*held) if held else _new()), sys.executable, "-m", __name__, bridge(network)]
        done = subprocess.run(words, stdin=theirs.fileno(), capture_output=True, text=True, check=False)
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
            raise UserError(f"The network {network} cannot be made: {reason[0]}", "`anywhere doctor` checks this host.")
        descriptors = socket.recv_fds(ours, 1, 3)[1]
        for descriptor in descriptors:
            stack.callback(os.close, descriptor)
        yield Port(tuple(descriptors))


def joined(machine: int) -> bool:
    """Whether the process `machine` is on such a network."""
    return _held(machine) is not None


def serves(machines: Collection[int]) -> bool:
    """Whether a cluster's frames go over such a network.

    One with running machines (pids) stays on what they are on; else they do where one can be made.
    """
    return any(map(joined, machines)) if machines else not obstacle()


@cache
def obstacle() -> str:
    """Why no such network can be made here; "" where it can."""
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"{TUN} is missing, or not for this user"
    try:
        with port("probe", ()):
            return ""
    except UserError as error:
        return error.message


def bridge(network: str) -> str:
    """The name of a network's bridge."""
    return f"net-{hashlib.sha256(network.encode()).hexdigest()}"[:_NAME_LIMIT]


def _held(machine: int) -> tuple[Path, Path] | None:
    """The user and the network namespace that a process holds open; None where it holds none."""
    found: dict[str, Path] = {}
    for descriptor in _descriptors(machine):
        with suppress(FileNotFoundError):  # a machine that starts opens and closes files
            found[str(descriptor.readlink()).partition(":")[0]] = descriptor
    return (found["user"], found["net"]) if {"user", "net"} <= found.keys() else None


def _descriptors(machine: int) -> list[Path]:
    """What a process holds open; nothing where it has ended, or is another user's."""
    try:
        return list(Path(f"/proc/{machine}/fd").iterdir())
    except OSError:
        return []


def _new() -> list[str]:
    """What runs a program in a namespace of its own, as its root."""
    return [find("unshare"), "--user", "--map-root-user", "--net"]


def _joining(user: Path, network: Path) -> list[str]:
    """What runs a program in these namespaces, as their root."""
    return [find("nsenter"), f"--user={user}", f"--net={network}", "--preserve-credentials"]


def _tap() -> tuple[int, str]:
    """A new Ethernet device of this namespace, which is there while it is open; its descriptor and its name."""
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    request = struct.pack("16sH22x", b"port%d", _TAP | _NO_HEADER | _VIRTIO_HEADER)
    name: bytes = struct.unpack("16sH22x", fcntl.ioctl(device, _TUNSETIFF, request))[0]
    return device, name.rstrip(b"\0").decode()


def _ip(command: str) -> None:
    subprocess.run([find("ip"), *command.split()], check=True)


def main(name: str) -> None:
    """Within the namespace: send a new port of the bridge `name`, and the namespaces, over the socket that is stdin."""
    if name not in (there for _, there in socket.if_nameindex()):
        _ip(f"link add {name} type bridge")
        _ip(f"link set {name} up")
    device, port_name = _tap()
    _ip(f"link set {port_name} master {name} up")
    namespaces = (os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net"))
    with socket.socket(fileno=0) as channel:
        socket.send_fds(channel, [b"."], [device, *namespaces])


if __name__ == "__main__":
    main(sys.argv[1])
