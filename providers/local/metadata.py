"""The machine's metadata address: QEMU runs this once a connection, with the connection as stdin and stdout.

`GET /KEY` gives the document KEY where the machine's role may read it; `GET /images/SHA256.tar` gives an image
archive from the cache. It runs without site-packages (`python -I -S`), so it imports the standard library only.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import BinaryIO

_LINE = 8192  # bytes: the longest request or header line
_CHUNK = 1 << 20
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_ARCHIVE = re.compile(r"images/([0-9a-f]{64}\.tar)")


class Refused(Exception):
    """`status` is the HTTP status line's end, `reason` the one line of text below it."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def command(python: str, cluster: Path, role: str, images: Path) -> list[str]:
    """The command that serves one connection of a machine of this role."""
    return [python, "-I", "-S", "-E", __file__, str(cluster), role, str(images)]


def _request(stream: BinaryIO) -> tuple[str, str]:
    """(method, key) of the request; its headers are read and left."""
    words = stream.readline(_LINE).decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused("400 Bad Request", "This is no HTTP request.")
    while stream.readline(_LINE).strip():
        pass
    if words[0] not in ("GET", "HEAD"):
        raise Refused("405 Method Not Allowed", "Documents can only be read.")
    return words[0], words[1].partition("?")[0].removeprefix("/")


def _locate(key: str, cluster: Path, role: str, images: Path) -> Path:
    """The file behind a key. Keys have no part that begins with a dot, so none leaves its folder."""
    if not _KEY.fullmatch(key):
        raise Refused("404 Not Found", "There is no such document.")
    if archive := _ARCHIVE.fullmatch(key):
        return images / archive[1]
    try:
        roles = json.loads((cluster / "readers" / key).read_bytes())["roles"]
    except (OSError, ValueError, KeyError):
        raise Refused("404 Not Found", f"There is no document {key}.") from None
    if role not in roles:
        raise Refused("403 Forbidden", f"Machines of role {role} may not read {key}.")
    return cluster / "documents" / key


def _send_all(source: int, size: int, target: int) -> None:
    """Copy `size` bytes without bringing them into this process, where the kernel can."""
    sent = 0
    while sent < size:
        try:
            count = os.sendfile(target, source, sent, min(size - sent, _CHUNK * 16))
        except OSError:  # the target is of a kind that sendfile does not take
            data = os.pread(source, _CHUNK, sent)
            count = os.write(target, data) if data else 0
        if count == 0:
            return  # the file became shorter: the reader sees that the length is wrong
        sent += count


def _head(status: str, size: int, kind: str) -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {size}", f"Content-Type: {kind}", "Connection: close", "", "")
    return "\r\n".join(lines).encode()


def _write_all(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def answer(stream: BinaryIO, target: int, cluster: Path, role: str, images: Path) -> None:
    """Read one request from `stream` and write the answer to the descriptor `target`."""
    try:
        method, key = _request(stream)
        try:
            source = os.open(_locate(key, cluster, role, images), os.O_RDONLY)
        except OSError:
            raise Refused("404 Not Found", f"{key} is not on this host.") from None
        size = os.fstat(source).st_size
        _write_all(target, _head("200 OK", size, "application/octet-stream"))
        if method == "GET":
            _send_all(source, size, target)
    except Refused as refused:
        text = f"{refused.reason}\n".encode()
        _write_all(target, _head(refused.status, len(text), "text/plain; charset=utf-8") + text)


def main() -> None:
    cluster, role, images = sys.argv[1:]
    # QEMU gives the connection as stderr too: a traceback must not end up in a document.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    answer(sys.stdin.buffer, 1, Path(cluster), role, Path(images))


if __name__ == "__main__":
    main()
