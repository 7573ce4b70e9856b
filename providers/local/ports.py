"""Loopback ports of this host that lead into machines. A machine keeps its ports for life, also while it is off."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from generator.errors import UserError
from providers.local.home import alone, home, read_json

_FIRST, _LAST = 20000, 32767  # below the range from which the kernel takes ephemeral ports
_GRACE = 3.0  # s: a QEMU that has just ended counts as gone a moment before the kernel closes its sockets


@contextmanager
def reserving() -> Iterator[None]:
    """Hold this while choosing ports and writing them down: one chooser at a time on this host."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(home()):
        yield


def _reserved() -> set[int]:
    """The ports of every machine of every cluster, running or not."""
    records = (read_json(path) for path in home().glob("clusters/*/machines/*/machine.json"))
    return {port for record in records if record for port in record["ports"].values()}


def _candidates() -> Iterator[int]:
    """Every port of the range, from one that depends on the home: two homes seldom want each other's."""
    count = _LAST + 1 - _FIRST
    begin = int.from_bytes(hashlib.sha256(str(home()).encode()).digest()[:4], "big") % count
    return (_FIRST + (begin + step) % count for step in range(count))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """A port for each name: the one it has already, else the first free one. Call while `reserving`."""
    taken = _reserved()
    free = (port for port in _candidates() if port not in taken and is_free(port))
    chosen = {}
    for name in names:
        port = kept.get(name) or next(free, None)
        if port is None:
            raise UserError(f"No loopback port from {_FIRST} to {_LAST} is free.", "Destroy clusters you do not need.")
        chosen[name] = port
    return chosen


def check_free(machine: str, ports: Mapping[str, int]) -> None:
    """Before a machine starts: another program may have taken one of its ports meanwhile."""
    end = time.monotonic() + _GRACE
    for name, port in ports.items():
        while not (free := is_free(port)) and time.monotonic() < end:
            time.sleep(0.05)
        if not free:
            message = f"Port {port} on 127.0.0.1, which leads to {name} of machine {machine}, is in use."
            raise UserError(message, f"`ss -ltnp sport = :{port}` shows by what; end that program and apply again.")
