"""The boot script, run as it is but for its two folders: fetch, check, unpack, hand over."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tty
from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.operations.patience import GIVE_UP_SECONDS
from generator.status import stages
from tests.test_readiness import ended

__all__ = ["ended"]  # a fixture

SCRIPT = Path(__file__).parent.parent.parent / "modules" / "node" / "boot" / "anywhere-converge"
AGENT = 'import os, sys\nprint("agent", open(sys.argv[1]).read(), os.environ["ANYWHERE_PROBLEM"])\n'


def archive(text=AGENT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (("agent/__init__.py", ""), ("agent/__main__.py", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


@pytest.fixture
def console(tmp_path):
    """What was written to the machine's serial console since the last call."""
    terminal, line = os.openpty()
    tty.setraw(line)
    os.set_blocking(terminal, False)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "ttyS0").symlink_to(os.ttyname(line))

    def read():
        try:
            return os.read(terminal, 65536).decode()
        except BlockingIOError:
            return ""

    return read


@pytest.fixture
def machine(tmp_path, programs, console):
    """`served` is the folder that the target hands out; `boot()` runs the script."""
    served = tmp_path / "served"
    (served / "node").mkdir(parents=True)
    programs.put("anywhere-fetch", f'exec cat "{served}/$1"')
    script = tmp_path / "anywhere-converge"
    text = SCRIPT.read_text()
    for path in ("/opt/anywhere", "/var/lib/anywhere", "/run/anywhere", "/dev/ttyS0", "/dev/console"):
        assert path in text
        text = text.replace(path, f"{tmp_path}{path}")
    script.write_text(text)
    (tmp_path / "opt" / "anywhere").mkdir(parents=True)

    def release(data, **more):
        checksum = hashlib.sha256(data).hexdigest()
        (served / "node" / f"{checksum}.tar").write_bytes(data)
        (served / "release.json").write_text(json.dumps({"node": checksum, **more}))
        return checksum

    def boot():
        return subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    fetched = lambda: [run.split()[1].split("/")[0] for run in programs.runs()]  # noqa: E731
    return SimpleNamespace(
        served=served,
        release=release,
        boot=boot,
        fetched=fetched,
        home=tmp_path / "opt" / "anywhere",
        last=tmp_path / "var" / "lib" / "anywhere" / "release.json",
        console=console,
        line=tmp_path / "dev" / "ttyS0",
        programs=programs,
    )


def test_the_agent_of_the_release_is_run(machine):
    checksum = machine.release(archive(), cluster="star-wars")
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("agent") and '"star-wars"' in done.stdout
    assert {path.name for path in machine.home.iterdir()} == {checksum, f"{checksum}.tar"}


def test_the_archive_is_fetched_once(machine):
    machine.release(archive())
    machine.boot()
    machine.boot()
    assert machine.fetched() == ["release.json", "node", "release.json"]


# As curl does it: what is sent has a tag, here its checksum, and is not sent to who has that.
TAGGED = """\
[ "$2" ] || exec cat "{served}/$1"
tag=$(sha256sum <"{served}/$1")
[ "$tag" = "$(cat "$2")" ] || cat "{served}/$1"
printf %s "$tag" >"$2"
"""


@pytest.fixture
def tagged(machine):
    """The same machine, whose store tags what it sends."""
    machine.programs.put("anywhere-fetch", TAGGED.format(served=machine.served))
    return machine


def test_a_release_that_is_the_last_one_is_not_sent_again(tagged):
    tagged.release(archive(), cluster="star-wars")
    tagged.boot()
    before = tagged.last.stat()
    assert '"star-wars"' in tagged.boot().stdout and tagged.last.stat() == before
    tagged.release(archive(), cluster="another")
    for _ in range(2):
        assert '"another"' in tagged.boot().stdout


@pytest.mark.parametrize("damage", ["", "{", "{}"])
def test_a_damaged_release_is_sent_again(tagged, damage):
    tagged.release(archive(), cluster="star-wars")
    tagged.boot()
    tagged.last.write_text(damage)
    assert '"star-wars"' in tagged.boot().stdout


def test_a_release_that_could_not_be_written_is_sent_again(tagged):
    """A disk may be full just then."""
    tagged.release(archive(), cluster="old")
    tagged.boot()
    tagged.release(archive(), cluster="new")
    in_the_way = tagged.last.with_name(f".{tagged.last.name}.new")
    in_the_way.mkdir()
    assert '"old"' in tagged.boot().stdout
    in_the_way.rmdir()
    assert '"new"' in tagged.boot().stdout


def test_a_new_release_takes_its_own_archive(machine):
    machine.release(archive())
    machine.boot()
    machine.release(archive('print("newer")\n'))
    assert machine.boot().stdout == "newer\n"


def test_an_archive_of_something_else_is_not_run(machine):
    checksum = machine.release(archive())
    (machine.served / "node" / f"{checksum}.tar").write_bytes(archive('print("evil")\n'))
    done = machine.boot()
    assert done.returncode != 0 and "evil" not in done.stdout
    assert f"is not {checksum}" in done.stderr
    assert list(machine.home.iterdir()) == []


@pytest.mark.parametrize("broken", [None, "", "{", "<html>not found</html>"])
def test_a_release_that_cannot_be_had_leaves_the_last(machine, broken):
    machine.release(archive(), cluster="kept")
    machine.boot()
    document = machine.served / "release.json"
    document.unlink() if broken is None else document.write_text(broken)
    done = machine.boot()
    assert done.returncode == 0 and "kept" in done.stdout
    assert "no release could be fetched" in done.stderr


def test_without_any_release_nothing_is_run(machine):
    done = machine.boot()
    assert (done.returncode, done.stdout) == (1, "")
    assert "no release could be fetched" in done.stderr


@pytest.mark.parametrize("damage", ["", "half", "\0\0\0"])
@pytest.mark.parametrize("file", ["agent/__main__.py", "archive"])
def test_files_that_a_power_cut_damaged_are_restored(machine, damage, file):
    """An empty __main__.py would run, do nothing, and exit 0."""
    checksum = machine.release(archive())
    machine.boot()
    (machine.home / f"{checksum}.tar" if file == "archive" else machine.home / checksum / file).write_text(damage)
    for _ in range(2):
        done = machine.boot()
        assert done.returncode == 0 and done.stdout.startswith("agent"), done.stderr
    assert (machine.home / checksum / "agent" / "__main__.py").read_text() == AGENT


def test_a_missing_file_is_restored(machine):
    checksum = machine.release(archive())
    machine.boot()
    (machine.home / checksum / "agent" / "__init__.py").unlink()
    assert machine.boot().returncode == 0
    assert (machine.home / checksum / "agent" / "__init__.py").exists()


def test_a_damaged_release_is_replaced_and_without_a_store_said(machine):
    machine.release(archive(), cluster="star-wars")
    machine.boot()
    machine.last.write_text("")
    assert '"star-wars"' in machine.boot().stdout
    machine.last.write_text("")
    (machine.served / "release.json").unlink()
    assert machine.boot().returncode == 1
    assert "anywhere: failed stage=fetch reason=" in machine.console()


@pytest.mark.parametrize(
    "words",
    [
        "anywhere-fetch release.json: HTTP 403: AccessDenied: Access Denied",
        "curl: (6) Could not resolve host: star-wars.s3.eu-west-1.amazonaws.com",
        "curl: (7) Failed to connect to 10.0.2.100 port 80: No route to host",
    ],
)
def test_a_machine_that_cannot_fetch_says_why_on_its_console_each_time(machine, words):
    machine.programs.put("anywhere-fetch", f"echo '{words}' >&2; exit 22")
    for _ in range(2):
        assert machine.boot().returncode == 1
        console = stages(machine.console())
        assert (console.failed, console.reason) == ("fetch", words)


def test_a_machine_without_that_console_gets_no_file_of_its_name(machine):
    machine.line.unlink()
    assert machine.boot().returncode == 1
    assert not machine.line.exists()


def test_an_archive_that_cannot_be_fetched_is_said_on_the_console(machine):
    checksum = machine.release(archive())
    (machine.served / "node" / f"{checksum}.tar").unlink()
    assert machine.boot().returncode == 1
    assert "No such file" in stages(machine.console()).reason


def test_the_agent_learns_why_its_release_is_the_last_one(machine):
    machine.release(archive())
    assert machine.boot().stdout.rstrip().endswith("}")
    machine.programs.put("anywhere-fetch", "echo 'HTTP 403' >&2; exit 22")
    assert machine.boot().stdout.rstrip().endswith("HTTP 403")


def test_an_unpacking_that_was_cut_short_is_done_again(machine):
    machine.release(archive())
    (machine.home / "unfinished" / "agent").mkdir(parents=True)
    (machine.home / "unfinished" / "agent" / "half.py").touch()
    assert machine.boot().returncode == 0
    (home,) = (path for path in machine.home.iterdir() if path.is_dir())
    assert not (home / "agent" / "half.py").exists()


@pytest.mark.parametrize(
    "reason",
    ["AccessDenied: Access Denied (HTTP 403)", "curl: (6) Could not resolve host: store.example", "no route to host"],
)
def test_apply_says_within_two_minutes_why_nothing_can_be_fetched(machine, programs, console, ended, reason):
    programs.put("anywhere-fetch", f'echo "anywhere-fetch $1: {reason}" >&2; exit 22')
    assert machine.boot().returncode == 1
    error, seconds = ended(console(), 1800)
    assert f"master1: Stage fetch failed: anywhere-fetch release.json: {reason}." in error.message
    assert GIVE_UP_SECONDS < seconds < GIVE_UP_SECONDS + 10
