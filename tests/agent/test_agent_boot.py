"""The boot script, run as it is but for its two folders: fetch, check, unpack, hand over."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parent.parent.parent / "modules" / "node" / "boot" / "anywhere-converge"
AGENT = 'import sys\nprint("agent", open(sys.argv[1]).read())\n'


def archive(text=AGENT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (("agent/__init__.py", ""), ("agent/__main__.py", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return out.getvalue()


@pytest.fixture
def machine(tmp_path, programs):
    """`served` is the folder that the target hands out; `boot()` runs the script."""
    served = tmp_path / "served"
    (served / "node").mkdir(parents=True)
    programs.put("anywhere-fetch", f'exec cat "{served}/$1"')
    script = tmp_path / "anywhere-converge"
    text = SCRIPT.read_text()
    for path in ("/opt/anywhere", "/var/lib/anywhere"):
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
        served=served, release=release, boot=boot, fetched=fetched, home=tmp_path / "opt" / "anywhere"
    )


def test_the_agent_of_the_release_is_run(machine):
    checksum = machine.release(archive(), cluster="star-wars")
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("agent") and '"star-wars"' in done.stdout
    assert [path.name for path in machine.home.iterdir()] == [checksum]


def test_the_archive_is_fetched_once(machine):
    machine.release(archive())
    machine.boot()
    machine.boot()
    assert machine.fetched() == ["release.json", "node", "release.json"]


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


def test_an_unpacking_that_was_cut_short_is_done_again(machine):
    machine.release(archive())
    (machine.home / "unfinished" / "agent").mkdir(parents=True)
    (machine.home / "unfinished" / "agent" / "half.py").touch()
    assert machine.boot().returncode == 0
    (home,) = machine.home.iterdir()
    assert not (home / "agent" / "half.py").exists()
