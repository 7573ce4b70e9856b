"""Running other programs: what they print, what they say while they work, and how they fail."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from generator import command
from generator.errors import UserError


def test_output_and_what_is_said_on_the_way_are_kept_apart():
    seen = []
    text = command.run(["sh", "-c", "echo out; echo one >&2; echo two >&2"], "Talking", seen=seen.append)
    assert text == "out\n" and seen == ["one", "two"]


def test_a_failure_tells_its_last_lines_of_both(tmp_path):
    script = "echo inconsistent; seq 1 50 >&2; exit 4"
    with pytest.raises(UserError) as caught:
        command.run(["sh", "-c", script], "Checking", "Mend it.")
    assert caught.value.message.startswith("Checking failed (sh, exit 4):\n")
    assert caught.value.message.endswith("\n  50") and len(caught.value.message.splitlines()) == command.TAIL + 1
    assert caught.value.hint == "Mend it."
    with pytest.raises(UserError, match="inconsistent"):
        command.run(["sh", "-c", "echo inconsistent; exit 4"], "Checking")


def test_a_program_is_found_where_only_root_looks(tmp_path, monkeypatch):
    program = tmp_path / "mke2fs"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(command, "SBIN", str(tmp_path))
    assert command.find("mke2fs") == str(program)


@pytest.mark.parametrize("ask", [command.find, lambda program: command.run([program], "Asking")])
def test_a_missing_program_is_named_with_its_package(ask, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(command, "SBIN", "/nonexistent")
    with pytest.raises(UserError) as caught:
        ask("qemu-img")
    assert "qemu-img is not installed" in caught.value.message and "qemu-utils" in caught.value.hint


def test_ctrl_c_ends_the_program():
    process: list[int] = []

    def interrupt(line):
        process.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command.run(["sh", "-c", "echo $$ >&2; exec sleep 600"], "Sleeping", seen=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(process[0], 0)


def test_a_program_does_not_outlive_us_however_we_end(tmp_path):
    started = tmp_path / "started"
    script = (
        f"from generator import command; command.run(['sh', '-c', 'echo $$ >{started}; exec sleep 600'], 'Sleeping')"
    )
    ours = subprocess.Popen([sys.executable, "-c", script])
    pid = wait_for(lambda: started.exists() and started.read_text().strip())
    ours.kill()
    ours.wait()
    wait_for(lambda: not is_running(int(pid)))


def test_what_runs_a_program_is_not_named_where_it_fails():
    with pytest.raises(UserError, match=r"^Talking failed \(sh, exit 4\)"):
        command.run(["sh", "-c", "exit 4"], "Talking", within=["env"])


def wait_for(answer):
    end = time.monotonic() + 20
    while not (found := answer()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
