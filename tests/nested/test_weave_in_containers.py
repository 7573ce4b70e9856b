"""Weave in containers, and control groups of version 2: neither is to be had where the kernel lacks them, so a computer
under emulation runs the end-to-end tests of containers on Debian's own kernel."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from generator.cli.phases import show
from generator.images import missing
from providers.local import base
from tests.nested.computer import ROOT, Computer

pytestmark = [pytest.mark.e2e, pytest.mark.extended]


def test_weave_in_containers(tmp_path_factory):
    if absent := missing("weave"):
        pytest.skip(f"no images for {', '.join(absent)} (set ANYWHERE_IMAGES)")
    base.ensure(show())  # nothing can be downloaded there
    folder = tmp_path_factory.mktemp("nested")
    log = Path(os.environ.get("NESTED_LOG") or folder / "pytest.log")
    with closing(Computer(folder)) as computer:
        computer.set_up()
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--durations=20", "-m", "e2e"]
        words += ["tests/e2e/test_cluster.py", "-k", "containers and weave"]
        line = computer.command("env", "-C", str(ROOT), "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={ROOT}", *words)
        with log.open("wb") as out:
            code = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode
    said = log.read_text(errors="replace")
    print(said[-20000:])
    assert code == 0 and " passed" in said
