"""Tests of what runs on machines. It is imported as machines import it: `modules/node` is on the path."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "modules" / "node"))
pytest.register_assert_rewrite("addons_cluster")  # tests import it, and it has fixtures


@pytest.fixture(autouse=True)
def full_rights(tmp_path_factory, monkeypatch):
    """The agent runs with every capability, whatever those of the tests are."""
    from agent import kernel

    folder = tmp_path_factory.mktemp("proc")
    status, score = folder / "status", folder / "oom_score_adj"
    status.write_text("CapEff:\t000001ffffffffff\n")
    score.write_text("0\n")
    monkeypatch.setattr(kernel, "STATUS", status)
    monkeypatch.setattr(kernel, "OOM_SCORE", score)


@pytest.fixture(autouse=True)
def yielded(monkeypatch):
    """By how much the agent has given way to other processes; the tests themselves do not."""
    steps = []
    monkeypatch.setattr("agent.__main__.os.nice", steps.append)
    return steps


@pytest.fixture(params=["star-wars", "ha", "quickstart-flannel"])
def any_release(request):
    from releases import release

    return release(request.param)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A Docker Engine in memory, on a real socket, that the agent takes for the machine's own."""
    from agent.docker import Docker
    from docker_engine import Engine

    with Engine(tmp_path / "docker.sock") as running:
        monkeypatch.setattr(Docker.__init__, "__defaults__", (str(running.path),))
        monkeypatch.setattr(Docker, "log_tail", lambda self, name, lines=5: f"the last words of {name}")
        yield running


@pytest.fixture
def turns():
    """The turns of this machine, all of them given."""
    from free_turns import FreeTurns

    return FreeTurns()


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder first on PATH: `programs.put(name, script)`; each run adds its arguments to `programs.runs()`."""
    folder, log = tmp_path / "programs", tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def put(name, script="exit 0"):
        path = folder / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>{log}\n{script}\n')
        path.chmod(0o755)

    read = lambda name: (folder / name).read_text().partition("\n")[2].partition("\n")[2]  # noqa: E731
    return SimpleNamespace(
        folder=folder, put=put, read=read, runs=lambda: log.read_text().splitlines() if log.exists() else []
    )
