"""What `make` hands to the command line: a user's values as they are, and never as commands."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STUB = '#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n'
NASTY = ["a b/c.yaml", "a;touch X", "$(shell touch X)", "`touch X`", "$HOME", "$$(touch X)", "it's", '"', "a|b", "*"]


@pytest.fixture
def make(tmp_path):
    """Runs make in a folder that is set up, with a stub for `anywhere` that prints its arguments, a line each."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "setup").mkdir()
    (tmp_path / "pyproject.toml").touch()
    ready = tmp_path / ".venv" / "ready"
    ready.parent.mkdir()
    ready.touch()
    (tmp_path / "stub").write_text(STUB)
    (tmp_path / "stub").chmod(0o755)

    def run(*words, **environment):
        before = sorted(tmp_path.iterdir())
        done = subprocess.run(
            ["make", "--silent", "ANYWHERE=./stub", *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": "/home/me", **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert sorted(tmp_path.iterdir()) == before
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize("value", NASTY)
def test_no_value_is_a_command(make, value):
    assert make("plan", f"CLUSTER={value}") == ["plan", value]
    assert make("validate", CLUSTER=value) == ["validate", value]
    assert make("status", f"PROVIDER={value}")[2:] == ["--provider", value]


@pytest.mark.parametrize("verb", ["validate", "render", "plan", "apply", "destroy", "status", "doctor"])
def test_args_are_options_of_every_verb(make, verb):
    assert make(verb, "ARGS=--json --out=*; $(shell touch X)")[-5:] == ["--json", "--out=*;", "$(shell", "touch", "X)"]


def test_approve_answers_the_question(make):
    assert make("apply", "APPROVE=yes")[-1] == "--yes"
    assert "--yes" not in make("destroy", "APPROVE=no")
    assert "--yes" not in make("plan", "APPROVE=yes")


def test_the_demo_is_a_program_beside_anywhere(make, tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text(STUB)
    python.chmod(0o755)
    said = make("demo", "CLUSTER=a b.yaml", "PROVIDER=aws", "ARGS=--load --timeout=9")
    assert said == ["-m", "examples.demo", "a b.yaml", "--provider", "aws", "--load", "--timeout=9"]


def test_offline_plans_a_copy(make, tmp_path):
    for name in ("checkov", "docs"):
        (tmp_path / ".venv" / name).mkdir()
        (tmp_path / "setup" / name).touch()
        (tmp_path / "setup" / f"{name}.txt").touch()
    for name in (".", "checkov", "docs"):
        (tmp_path / ".venv" / name / "ready").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir()
    python.write_text(STUB)
    python.chmod(0o755)
    said = make("offline", "CLUSTER=a b.yaml", "PROVIDER=aws", "ARGS=--json")
    fixed = ["-m", "tests.offline", "--copy", "a b.yaml", "./stub", "plan", "{}", "--provider", "aws", "--json"]
    assert said == ["-m", "tests.offline.schemas", *fixed]
