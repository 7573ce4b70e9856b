"""What the user network of QEMU does for a virtual machine: ports of this computer that lead into it, and its metadata.

Sockets stay in the network namespace that they were made in, whichever the process is in when it uses them.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from providers.local import metadata
from providers.local.container.network import MACHINE, METADATA

_CHUNK = 1 << 16
_BACKLOG = 64
_CONNECT_SECONDS = 10.0


def listen(address: str, port: int) -> socket.socket:
    """A listening socket of this process's network namespace."""
    return socket.create_server((address, port), backlog=_BACKLOG)


def serve(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    """Answer each connection to `listener` in a thread of its own, until the process ends."""

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            answer(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def into_machine(port: int) -> Callable[[socket.socket], None]:
    """Lead a connection to `port` of the machine, for as long as either end keeps it."""

    def answer(client: socket.socket) -> None:
        with socket.create_connection((MACHINE, port), timeout=_CONNECT_SECONDS) as machine:
            machine.settimeout(None)
            back = threading.Thread(target=_copy, args=(machine, client), daemon=True)
            back.start()
            _copy(client, machine)
            back.join()

    return answer


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Send what comes from `source` to `target`, and its end too."""
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve_metadata(cluster: Path, role: str, images: Path) -> None:
    """Hand the machine its documents at the metadata address, which is in this process's network namespace."""

    def answer(connection: socket.socket) -> None:
        with connection.makefile("rb") as request:
            metadata.answer(request, connection.fileno(), cluster, role, images)

    serve(listen(METADATA, 80), answer)
