"""The metadata command, run as QEMU runs it: one connection a process, on stdin and stdout."""

import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from providers.local import metadata


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "clusters" / "c"
    for key, roles, text in (
        ("release.json", ["master", "worker"], '{"release": 1}'),
        ("secrets/etcd", ["master"], "the key of etcd"),
        ("node/0a.tar.gz", ["worker"], "archive"),
    ):
        for root, data in (("documents", text), ("readers", json.dumps({"roles": roles, "sha256": ""}))):
            path = folder / root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(data)
    (tmp_path / "secret").write_text("not for machines")
    return folder


def ask(cluster: Path, request: bytes, role: str = "worker") -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of one request over a real socket."""
    ours, theirs = socket.socketpair()
    line = metadata.command(sys.executable, cluster, role, cluster.parent / "images")
    with theirs, subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        theirs.close()
        ours.sendall(request)
        with ours, ours.makefile("rb") as stream:
            answer = stream.read()
        assert process.wait(10) == 0
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


def get(cluster: Path, path: str, role: str = "worker") -> tuple[int, bytes]:
    status, headers, body = ask(cluster, f"GET {path} HTTP/1.1\r\nHost: metadata\r\n\r\n".encode(), role)
    assert int(headers["Content-Length"]) == len(body)
    return status, body


def test_gives_a_document_to_its_readers(cluster: Path) -> None:
    assert get(cluster, "/release.json") == (200, b'{"release": 1}')
    assert get(cluster, "/node/0a.tar.gz") == (200, b"archive")
    assert get(cluster, "/secrets/etcd", "master") == (200, b"the key of etcd")


def test_refuses_other_roles(cluster: Path) -> None:
    status, body = get(cluster, "/secrets/etcd")
    assert status == 403
    assert b"key of" not in body
    assert body.count(b"\n") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//etc/passwd",
        "/../../secret",
        "/secrets/../../../../secret",
        "/secrets/..%2f..%2fsecret",
        "/.hidden",
        "/secrets",
        "/absent",
        "/images/../secret.tar",
        "/images/short.tar",
        f"/images/{'0' * 64}.tar",
    ],
)
def test_finds_nothing_else(cluster: Path, path: str) -> None:
    status, body = get(cluster, path)
    assert status == 404
    assert b"not for machines" not in body


def test_streams_a_large_image(cluster: Path) -> None:
    data = bytes(range(256)) * (20 << 12)  # 20 MiB, more than one piece
    name = hashlib.sha256(data).hexdigest()
    images = cluster.parent / "images"
    images.mkdir()
    (images / f"{name}.tar").write_bytes(data)
    status, body = get(cluster, f"/images/{name}.tar")
    assert status == 200
    assert hashlib.sha256(body).hexdigest() == name


def test_head_gives_the_length_alone(cluster: Path) -> None:
    status, headers, body = ask(cluster, b"HEAD /release.json HTTP/1.1\r\n\r\n")
    assert (status, headers["Content-Length"], body) == (200, "14", b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /release.json HTTP/1.1\r\n\r\n", 405),
        (b"DELETE /release.json HTTP/1.1\r\n\r\n", 405),
        (b"GET /release.json\r\n\r\n", 400),
        (b"\xff\xfe\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
    ],
)
def test_refuses_what_is_no_read(cluster: Path, request_: bytes, status: int) -> None:
    assert ask(cluster, request_)[0] == status
