"""A word with a running QEMU over its QMP socket."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generator.errors import UserError

SOCKET = "qmp.socket"
_SECONDS = 10.0


@contextmanager
def _connection(folder: Path) -> Iterator[socket.socket]:
    """Connect by way of the open folder: a socket's own path may be 107 bytes at most."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            yield connection
    finally:
        os.close(descriptor)


def execute(folder: Path, command: str, **arguments: Any) -> Any:
    """Run one QMP command on the machine in `folder`. OSError where QEMU does not answer."""
    with _connection(folder) as connection, connection.makefile("rw", encoding="utf-8") as stream:
        stream.readline()  # the greeting
        for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = _answer(stream)
        if "error" in answer:
            raise UserError(f"QEMU refused {command}: {answer['error']['desc']}")
        return answer["return"]


def _answer(stream: Any) -> Any:
    for line in stream:
        message = json.loads(line)
        if "event" not in message:
            return message
    raise ConnectionError("QEMU closed the connection")
