"""Compiling a Go program: what is counted, what is said, and with what it is built."""

import contextlib

import pytest

from generator.images import compiler
from generator.images.compiler import Program, compile_program
from generator.progress import Silent

GO = """#!/bin/sh
echo "$*" >>"$0.log"
case $1 in
    list) echo example.com/a; echo example.com/b ;;
    build)
        echo "go: downloading example.com/b v1.0.0" >&2
        echo example.com/a >&2
        echo example.com/b >&2
        while [ "$1" != -o ]; do shift; done
        echo program >"$2" ;;
esac
"""


class Heard(Silent):
    def __init__(self):
        self.notes = []

    def note(self, line):
        self.notes.append(line)


@pytest.fixture
def go(tmp_path):
    path = tmp_path / "go"
    path.write_text(GO)
    path.chmod(0o755)
    return path


@pytest.fixture
def counts(monkeypatch):
    """What is counted: the totals, and a 1 for each that is done."""
    seen = []

    @contextlib.contextmanager
    def counted(_progress, title, unit, total):
        seen.append((title, unit, total))
        yield lambda: seen.append(1)

    monkeypatch.setattr(compiler, "counted", counted)
    return seen


def test_packages_that_go_compiles_are_counted_and_the_rest_is_said(go, counts, tmp_path):
    heard = Heard()
    program = Program("thing", tmp_path, "./cmd/thing", "arm64", ["main.version=1"])
    compile_program(program, tmp_path / "out", go, heard)
    assert counts == [("compiling thing", "packages", 2), 1, 1]
    assert heard.notes == ["compiling thing", "go: downloading example.com/b v1.0.0"]
    assert (tmp_path / "out").read_text() == "program\n"


def test_go_is_asked_for_what_is_stale_with_the_flags_of_the_build(go, counts, tmp_path):
    program = Program("thing", tmp_path, ".", "amd64", ["main.version=1"])
    compile_program(program, tmp_path / "out", go, Heard())
    listed, built = (tmp_path / "go.log").read_text().splitlines()
    flags = "-buildvcs=false -trimpath -ldflags -s -w -buildid= -X main.version=1"
    assert listed.startswith("list -deps ") and ".Stale" in listed and flags in listed
    assert built == f"build -v {flags} -o {tmp_path / 'out'} ."
