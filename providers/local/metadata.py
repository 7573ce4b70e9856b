"""The machine's metadata address: QEMU runs this once a connection, with the connection as stdin and stdout.

`GET /KEY` gives the document KEY where the machine's role may read it; `GET /images/SHA256.tar` gives an image
archive from the cache, and `GET /packages/SHA256.tar` one of packages, from the folder beside it. Below `/etcd/` is
what machines with etcd keep: they may `PUT` and `GET` it, a folder (its key ends with a slash) gives the keys in it,
and only below `/etcd/snapshots/` is a file replaced, or removed by `DELETE`.
It runs without site-packages (`python -I -S`), so it imports the standard library only.
"""

import json
import os
import re
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

_LINE = 8192  # bytes: the longest request or header line
_CHUNK = 1 << 20
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_ARCHIVE = re.compile(r"(?P<folder>images|packages)/(?P<name>[0-9a-f]{64}\.tar)")
_STORED = re.compile(r"etcd/(?P<replaceable>snapshots/)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?")
_LARGEST = 8 << 30  # bytes of one file: no etcd is meant to be larger
_MOST = 1000  # files in a folder


class Refused(Exception):
    """`status` is the HTTP status line's end, `reason` the one line of text below it."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def command(python: str, cluster: Path, role: str, images: Path) -> list[str]:
    """The command that serves one connection of a machine of this role."""
    return [python, "-I", "-S", "-E", __file__, str(cluster), role, str(images)]


@dataclass(frozen=True)
class _Request:
    """`size` is that of the body in bytes, None where the request does not say; `known` is an entity tag."""

    method: str
    key: str
    size: int | None
    only_if_absent: bool
    known: str


def _request(stream: BinaryIO) -> _Request:
    words = stream.readline(_LINE).decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Refused("400 Bad Request", "This is no HTTP request.")
    headers = {}
    while line := stream.readline(_LINE).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    length, key = headers.get("content-length", ""), words[1].partition("?")[0].removeprefix("/")
    known = headers.get("if-none-match", "")
    return _Request(words[0], key, int(length) if length.isdecimal() else None, known == "*", known)


def _locate(key: str, cluster: Path, role: str, images: Path) -> Path:
    """The file behind a key. Keys have no part that begins with a dot, so none leaves its folder."""
    if not _KEY.fullmatch(key):
        raise Refused("404 Not Found", "There is no such document.")
    if archive := _ARCHIVE.fullmatch(key):
        return (images if archive["folder"] == "images" else images.parent / "packages") / archive["name"]
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


def _head(status: str, size: int, kind: str, *more: str) -> bytes:
    lines = (f"Content-Length: {size}", f"Content-Type: {kind}", "Connection: close", *more)
    return "\r\n".join((f"HTTP/1.1 {status}", *lines, "", "")).encode()


def _write_all(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _send(path: Path, request: _Request, target: int) -> None:
    try:
        source = os.open(path, os.O_RDONLY)
    except OSError:
        raise Refused("404 Not Found", f"{request.key} is not on this host.") from None
    try:
        seen = os.fstat(source)
        tag = f'"{seen.st_ino:x}-{seen.st_mtime_ns:x}-{seen.st_size:x}"'
        status = "304 Not Modified" if request.known == tag else "200 OK"
        _write_all(target, _head(status, seen.st_size, "application/octet-stream", f"ETag: {tag}"))
        if request.method == "GET" and request.known != tag:
            _send_all(source, seen.st_size, target)
    finally:
        os.close(source)


def _say(target: int, status: str, text: str) -> None:
    data = text.encode()
    _write_all(target, _head(status, len(data), "text/plain; charset=utf-8") + data)


def _keep(request: _Request, stream: BinaryIO, path: Path) -> None:
    """Have the body as `path`, whole or not at all."""
    if request.size is None:
        raise Refused("411 Length Required", "The request does not say how long its body is.")
    if request.size > _LARGEST:
        raise Refused("413 Content Too Large", f"A file may have {_LARGEST} bytes.")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in path.parent.iterdir()) >= _MOST:
            raise Refused("507 Insufficient Storage", f"There may be {_MOST} files.")
        with unfinished.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            _receive(stream, request.size, file)
            os.fsync(file.fileno())
        if request.only_if_absent:
            os.link(unfinished, path)
        else:
            unfinished.replace(path)
        _sync(path.parent)
    except FileExistsError:
        raise Refused("412 Precondition Failed", f"{request.key} is there already.") from None
    except OSError as error:
        raise Refused("507 Insufficient Storage", f"This host cannot keep it: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _receive(stream: BinaryIO, size: int, file: BinaryIO) -> None:
    while size:
        data = stream.read(min(size, _CHUNK))
        if not data:
            raise Refused("400 Bad Request", f"The body ends {size} bytes early.")
        file.write(data)
        size -= len(data)
    file.flush()


def _discard(stream: BinaryIO, size: int) -> None:
    """Read the rest of a body of `size` bytes, or until the other side closes.

    Closing with a part of the body unread resets the connection, and the answer is lost with it.
    """
    while size > 0 and (data := stream.read(min(size, _CHUNK))):
        size -= len(data)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(request: _Request, stream: BinaryIO, target: int, cluster: Path, role: str) -> None:
    """Answer a request for what machines with etcd keep."""
    found = _STORED.fullmatch(request.key)
    if not found:
        raise Refused("404 Not Found", "Such a key is not kept.")
    try:
        roles = json.loads((cluster / "keepers.json").read_bytes())["roles"]
    except (OSError, ValueError, KeyError):
        raise Refused("404 Not Found", "This cluster keeps nothing.") from None
    if role not in roles:
        raise Refused("403 Forbidden", f"Machines of role {role} keep nothing here.")
    path = cluster / "stored" / request.key
    if found["name"] is None and request.method != "GET":
        raise Refused("405 Method Not Allowed", "A folder can only be read.")
    if found["name"] is None:
        _say(target, "200 OK", "".join(f"{request.key}{name}\n" for name in _files(path)))
    elif request.method == "PUT":
        _keep(replace(request, only_if_absent=request.only_if_absent or not found["replaceable"]), stream, path)
        _say(target, "201 Created", "")
    elif request.method == "DELETE" and found["replaceable"]:
        path.unlink(missing_ok=True)
        _say(target, "204 No Content", "")
    elif request.method == "DELETE":
        raise Refused("405 Method Not Allowed", f"{request.key} stays.")
    else:
        _send(path, request, target)


def _files(folder: Path) -> list[str]:
    """The names of its whole files, in order."""
    try:
        return sorted(e.name for e in os.scandir(folder) if e.is_file() and not e.name.startswith("."))
    except FileNotFoundError:
        return []


def answer(stream: BinaryIO, target: int, cluster: Path, role: str, images: Path) -> None:
    """Read one request from `stream` and write the answer to the descriptor `target`."""
    unread = 0
    try:
        request = _request(stream)
        unread = request.size or 0
        if request.method not in ("GET", "HEAD", "PUT", "DELETE"):
            raise Refused("405 Method Not Allowed", "There is GET, HEAD, PUT and DELETE.")
        if request.key.startswith("etcd/"):
            _stored(request, stream, target, cluster, role)
        elif request.method in ("GET", "HEAD"):
            _send(_locate(request.key, cluster, role, images), request, target)
        else:
            raise Refused("405 Method Not Allowed", "Documents can only be read.")
    except Refused as refused:
        _say(target, refused.status, f"{refused.reason}\n")
        _discard(stream, unread)


def main() -> None:
    cluster, role, images = sys.argv[1:]
    # QEMU gives the connection as stderr too: a traceback must not end up in a document.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    answer(sys.stdin.buffer, 1, Path(cluster), role, Path(images))


if __name__ == "__main__":
    main()
