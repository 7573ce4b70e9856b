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


@pytest.fixture
def keeper(cluster: Path) -> Path:
    """The same cluster, whose masters keep files."""
    (cluster / "keepers.json").write_text('{"roles": ["master"]}')
    return cluster


def ask(cluster: Path, request: bytes, role: str = "worker") -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) of one request over a real socket."""
    ours, theirs = socket.socketpair()
    line = metadata.command(sys.executable, cluster, role, cluster.parent / "images")
    with theirs, subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        theirs.close()
        ours.sendall(request)
        ours.shutdown(socket.SHUT_WR)
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


def test_does_not_send_what_is_known(cluster: Path) -> None:
    asked = "GET /release.json HTTP/1.1\r\nIf-None-Match: {}\r\n\r\n"
    status, headers, body = ask(cluster, asked.format('"another"').encode())
    assert (status, body) == (200, b'{"release": 1}')
    for _ in range(2):
        status, again, body = ask(cluster, asked.format(headers["ETag"]).encode())
        assert (status, again["ETag"], body) == (304, headers["ETag"], b"")
    release = cluster / "documents" / "release.json"
    (cluster / "new").write_text('{"release": 2}')
    (cluster / "new").replace(release)
    status, changed, body = ask(cluster, asked.format(headers["ETag"]).encode())
    assert (status, body) == (200, b'{"release": 2}') and changed["ETag"] != headers["ETag"]


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
        "/packages/../secret.tar",
        f"/packages/{'0' * 64}.tar",
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


def test_an_archive_of_packages_is_one_too(cluster: Path) -> None:
    folder = cluster.parent / "packages"
    folder.mkdir()
    (folder / f"{'1' * 64}.tar").write_bytes(b"debs")
    assert get(cluster, f"/packages/{'1' * 64}.tar", "worker") == (200, b"debs")


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


def put(cluster: Path, key: str, data: bytes, *headers: str, role: str = "master") -> int:
    head = [f"PUT /{key} HTTP/1.1", f"Content-Length: {len(data)}", *headers, "", ""]
    return ask(cluster, "\r\n".join(head).encode() + data, role)[0]


def test_keeps_what_a_keeper_puts(keeper: Path) -> None:
    data = bytes(range(256)) * 20000
    assert put(keeper, "etcd/snapshots/1.age", data) == 201
    assert get(keeper, "/etcd/snapshots/1.age", "master") == (200, data)
    assert (keeper / "stored/etcd/snapshots/1.age").stat().st_mode & 0o777 == 0o600
    assert get(keeper, "/etcd/snapshots/", "master") == (200, b"etcd/snapshots/1.age\n")
    assert get(keeper, "/etcd/", "master") == (200, b"")


def test_replaces_and_removes_snapshots_alone(keeper: Path) -> None:
    for data in (b"1", b"2"):
        assert put(keeper, "etcd/snapshots/1.age", data) == 201
    assert put(keeper, "etcd/snapshots/1.age", b"3", "If-None-Match: *") == 412
    assert get(keeper, "/etcd/snapshots/1.age", "master") == (200, b"2")
    assert put(keeper, "etcd/cluster", b"1") == 201
    assert put(keeper, "etcd/cluster", b"2") == 412
    assert get(keeper, "/etcd/cluster", "master") == (200, b"1")
    assert ask(keeper, b"DELETE /etcd/cluster HTTP/1.1\r\n\r\n", "master")[0] == 405
    assert ask(keeper, b"DELETE /etcd/snapshots/1.age HTTP/1.1\r\n\r\n", "master")[0] == 204
    assert get(keeper, "/etcd/snapshots/1.age", "master")[0] == 404


def test_others_neither_read_nor_write_what_is_kept(keeper: Path) -> None:
    assert put(keeper, "etcd/snapshots/1.age", b"secret") == 201
    assert put(keeper, "etcd/snapshots/1.age", b"2", role="worker") == 403
    for path in ("/etcd/snapshots/1.age", "/etcd/snapshots/"):
        status, body = get(keeper, path, "worker")
        assert status == 403 and b"secret" not in body and b"1.age" not in body
    assert ask(keeper, b"DELETE /etcd/snapshots/1.age HTTP/1.1\r\n\r\n", "worker")[0] == 403
    assert get(keeper, "/etcd/snapshots/1.age", "master") == (200, b"secret")


def test_a_cluster_without_keepers_keeps_nothing(cluster: Path) -> None:
    assert put(cluster, "etcd/cluster", b"1") == 404
    assert not (cluster / "stored").exists()


@pytest.mark.parametrize(
    "key",
    [
        "release.json",
        "secrets/etcd",
        f"images/{'0' * 64}.tar",
        "etcd",
        "etcd/",
        "etcd/.a",
        "etcd/a/b",
        "etcd/../documents/release.json",
        "etcd/snapshots/",
        "etcd/snapshots/a/b",
        f"etcd/snapshots/{'x' * 200}",
    ],
)
def test_keeps_nothing_under_other_keys(keeper: Path, key: str) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in keeper.parent.rglob("*") if path.is_file()}

    before = files()
    assert put(keeper, key, b"x") in (404, 405)
    assert ask(keeper, f"DELETE /{key} HTTP/1.1\r\n\r\n".encode(), "master")[0] in (404, 405)
    assert files() == before


def test_an_upload_that_ends_early_leaves_what_was_there(keeper: Path) -> None:
    assert put(keeper, "etcd/snapshots/1.age", b"whole") == 201
    ours, theirs = socket.socketpair()
    line = metadata.command(sys.executable, keeper, "master", keeper)
    with ours, theirs, subprocess.Popen(line, stdin=theirs, stdout=theirs) as process:
        ours.sendall(b"PUT /etcd/snapshots/1.age HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(10) == 0
        assert ours.recv(12) == b"HTTP/1.1 400"
    assert [path.name for path in (keeper / "stored/etcd/snapshots").iterdir()] == ["1.age"]
    assert get(keeper, "/etcd/snapshots/1.age", "master") == (200, b"whole")


def test_a_refusal_outlives_a_body_that_nobody_wanted(keeper: Path) -> None:
    """Whoever still sends gets the answer, and not a reset connection."""
    body = bytes(8 << 20)  # more than a socket holds
    assert put(keeper, "etcd/snapshots/1.age", b"1") == 201
    assert put(keeper, "etcd/cluster", b"1") == 201
    assert put(keeper, "etcd/snapshots/1.age", body, role="worker") == 403
    assert put(keeper, "release.json", body) == 405
    assert put(keeper, "etcd/snapshots/1.age", body, "If-None-Match: *") == 412
    assert put(keeper, "etcd/cluster", body) == 412
    for number in range(1000):
        (keeper / f"stored/etcd/snapshots/{number}").touch()
    assert put(keeper, "etcd/snapshots/2.age", body) == 507


def test_what_is_kept_is_bounded(keeper: Path) -> None:
    large = f"PUT /etcd/snapshots/1 HTTP/1.1\r\nContent-Length: {(8 << 30) + 1}\r\n\r\n"
    assert ask(keeper, large.encode(), "master")[0] == 413
    assert ask(keeper, b"PUT /etcd/snapshots/1 HTTP/1.1\r\n\r\n", "master")[0] == 411
    folder = keeper / "stored/etcd/snapshots"
    folder.mkdir(parents=True)
    for number in range(1000):
        (folder / f"{number}").touch()
    assert put(keeper, "etcd/snapshots/more", b"x") == 507
