"""A real `anywhere apply` that is told to end: Terraform is asked once and keeps its state; nothing temporary stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from generator import terraform_state
from tests.cli.target import MAIN

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
from pathlib import Path
from generator import cli, render
from generator.operations import artifacts, project
from tests.cli.target import Nowhere

project.load = lambda name: Nowhere()
artifacts.fetch = lambda *args: None
render.tree = lambda *args: {"machines.tf": Path("rendered.tf").read_bytes()}
render.unprotected = lambda name: {"unprotect_override.tf": b"# nothing is protected"}
cli.main()
"""
SLOW = """
resource "terraform_data" "slow" {
  depends_on = [terraform_data.machine]

  provisioner "local-exec" {
    command = "touch ../../started; exec sleep 60"
  }
}

resource "terraform_data" "later" {
  depends_on = [terraform_data.slow]
}
"""
# Stands for a Terraform that is at work in `verb`, and notes how often it is asked to stop: the second time it does.
BUSY = """#!/usr/bin/env python3
import os, signal, sys, time
if sys.argv[1] != "VERB":
    os.execvp("terraform", ["terraform", *sys.argv[1:]])
asked = []
def ask(*_):
    asked.append(1)
    open("../../asked", "a").write("x")
    print("asked", flush=True)
signal.signal(signal.SIGINT, ask)
open("../../started", "w")
while len(asked) < LIMIT:
    time.sleep(0.02)
time.sleep(0.5)
sys.exit(1)
"""
TEMPORARY = (".anywhere-lock", ".anywhere-*.tfplan", "*_override.tf", ".terraform.tfstate.lock.info")


@pytest.fixture
def apply(nowhere, home):
    """Start `anywhere apply` in a process of its own, as a shell does, and wait until Terraform is at work."""
    children = []

    def start(main=MAIN, **environment):
        (home / "rendered.tf").write_text(main)
        words = ("apply", "--yes", "--may-destroy", "master1", "--timeout", "20")
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell has a program in the background ignore Ctrl-C, and these tests may run there.
            preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)],
        )
        children.append(child)
        wait_for(home / "started", child)
        return child

    yield start
    for child in children:
        child.kill()


def wait_for(path, child):
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    assert path.exists(), child.communicate()[1]


def left(home):
    folder = home / ".anywhere" / "quickstart-local"
    return [path.name for pattern in TEMPORARY for path in folder.glob(pattern)]


def busy(home, verb, limit=1):
    program = home / "busy"
    program.write_text(BUSY.replace("VERB", verb).replace("LIMIT", str(limit)))
    program.chmod(0o755)
    return {"ANYWHERE_TERRAFORM": str(program)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_terraform_finishes_and_keeps_its_state(apply, home, number):
    child = apply(MAIN + SLOW)
    os.killpg(child.pid, number)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 128 + number
    assert "stopping: Terraform finishes what it began" in said and "Interrupted. What was done so far is kept" in said
    state = terraform_state.read(home / ".anywhere" / "quickstart-local" / "terraform.tfstate")
    assert {resource["name"] for resource in state["resources"]} == {"machine", "slow"}
    assert left(home) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_lifts_a_protection_is_taken_back(apply, home, number):
    child = apply(**busy(home, "plan"))
    assert "unprotect_override.tf" in left(home) and ".anywhere-lock" in left(home)
    child.send_signal(number)
    child.communicate(timeout=120)
    assert child.returncode == 128 + number and left(home) == []
    assert (home / "asked").read_text() == "x"


def test_a_second_signal_is_passed_on_and_a_third_is_not(apply, home):
    child = apply(**busy(home, "apply", limit=2))
    for count in (1, 2, 2):
        child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while len((home / "asked").read_text() if (home / "asked").exists() else "") < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 128 + signal.SIGTERM and (home / "asked").read_text() == "xx"
    assert "stopping hard" in said and left(home) == []


def test_a_signal_that_our_parent_ignores_stays_ignored(apply, home):
    program = "import signal; from generator import interrupts; interrupts.raise_interrupted(); "
    program += "signal.raise_signal(signal.SIGHUP); print('alive')"
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    done = subprocess.run(
        [sys.executable, "-c", program], preexec_fn=ignoring, capture_output=True, cwd=ROOT, text=True
    )
    assert done.stdout == "alive\n"
