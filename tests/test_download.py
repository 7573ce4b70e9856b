"""Downloads: checked, whole or not at all, and never silent."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from generator import download
from generator.errors import UserError
from generator.progress import Silent

DATA = b"image" * 500_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Notes(Silent):
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.fixture
def url(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "file").write_bytes(DATA)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "site")) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file"
        server.shutdown()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_file_is_fetched_and_checked(url, tmp_path, algorithm):
    path = tmp_path / "new" / "file"
    download.file(url, path, hashlib.new(algorithm, DATA).hexdigest(), "", Silent(), algorithm)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(("algorithm", "name", "length"), [("sha256", "SHA-256", 64), ("sha512", "SHA-512", 128)])
def test_another_checksum_is_refused_and_nothing_is_left(url, tmp_path, algorithm, name, length):
    path = tmp_path / "file"
    with pytest.raises(UserError, match=f"{url} has {name} ") as caught:
        download.file(url, path, "f" * length, "", Silent(), algorithm)
    assert not isinstance(caught.value, download.Unreachable)
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("wrong", ["/absent", ":1/"])
def test_what_is_not_there_is_unreachable_with_the_caller_s_hint(url, tmp_path, wrong):
    address = f"http://127.0.0.1{wrong}" if wrong.startswith(":") else url.replace("/file", wrong)
    with pytest.raises(download.Unreachable) as caught:
        download.file(address, tmp_path / "file", "", "Name a mirror.", Silent())
    assert caught.value.hint == "Name a mirror." and address in caught.value.message
    with pytest.raises(download.Unreachable):
        download.text(address, "")


def test_progress_tells_the_size_and_how_far_it_is(url, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "NOTE_SECONDS", -1.0)
    notes = Notes()
    download.file(url, tmp_path / "file", hashlib.sha256(DATA).hexdigest(), "", notes)
    assert notes.lines[0] == f"downloading {url}, 2 MB"
    assert notes.lines[-1] == f"downloading {url}: 2 of 2 MB"
