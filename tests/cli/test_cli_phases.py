"""What long work shows, in a pipe and on a terminal."""

import io
import re
import time

import pytest

from generator import progress
from generator.cli import phases as module
from generator.cli.phases import LivePhases, Phases, show


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(stream):
    return [re.sub(r"\[ *\d+\.\d+s\] |\d+\.\d+ s", "", line) for line in stream.getvalue().splitlines()]


def test_a_pipe_gets_plain_lines():
    stream = io.StringIO()
    phases = show(stream)
    with phases.phase("plan"):
        phases.note("a detail")
    assert lines(stream) == ["plan ...", "  a detail", "plan ... done ()"]
    assert "\x1b" not in stream.getvalue()


def test_every_plain_line_has_its_time():
    stream = io.StringIO()
    with Phases(stream).phase("plan"):
        pass
    assert all(re.match(r"\[ +\d+\.\ds\] plan", line) for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("kind", [Phases, LivePhases])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_phase_that_raises_is_marked_and_the_error_goes_on(kind, error):
    stream = io.StringIO()
    with pytest.raises(error), kind(stream).phase("plan"):
        raise error
    assert "plan ... failed" in stream.getvalue() or "✗ plan" in stream.getvalue()
    assert "done" not in stream.getvalue() and "✓" not in stream.getvalue()


def test_a_board_repeats_only_what_changed():
    stream = io.StringIO()
    phases = Phases(stream)
    phases.board(["master1 boot", "worker boot"])
    phases.board(["master1 boot", "worker fetch"])
    assert lines(stream) == ["  master1 boot", "  worker boot", "  worker fetch"]


def test_a_terminal_keeps_one_line_a_phase():
    stream = Terminal()
    phases = show(stream)
    assert isinstance(phases, LivePhases)
    with phases.phase("plan [x]"):
        phases.note("a detail with [brackets]")
        phases.board(["master1  boot"])
    assert "✓" in stream.getvalue() and "plan [x]" in stream.getvalue()


def test_details_that_are_shown_are_bounded():
    phases = LivePhases(Terminal())
    for number in range(500):
        phases.note(f"line {number}")
    phases.board([f"machine {number}" for number in range(500)])
    assert len(phases._render().renderables) <= phases._console.height


def test_a_phase_in_a_phase_is_shown_too():
    stream = Terminal()
    phases = show(stream)
    with phases.phase("outer"), phases.phase("inner"):
        pass
    assert stream.getvalue().count("✓") == 2


def test_a_warning_outlives_its_phase():
    stream = Terminal()
    phases = show(stream)
    with phases.phase("choose"):
        phases.note("warning: [no] weave")
    assert "warning: [no] weave" in stream.getvalue()


def test_a_pipe_hears_how_far_work_is_only_where_nothing_was_said_for_a_while(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    phases = Phases(stream)
    with phases.phase("image"):
        for second in range(60):
            now[0] = float(second)
            phases.status(f"at {second}")
            if second == 30:
                phases.note("a detail")
    assert lines(stream) == ["image ...", "  at 20", "  a detail", "  at 50", "image ... done ()"]


def test_a_terminal_replaces_how_far_work_is():
    phases = LivePhases(Terminal())
    with phases.phase("image"):
        phases.status("1 of 3")
        phases.status("2 of 3")
        shown = [getattr(line, "plain", "") for line in phases._render().renderables]
        assert [line for line in shown if "of 3" in line] == ["    2 of 3"]


class Heard(progress.Silent):
    def __init__(self):
        self.lines = []

    def status(self, line):
        self.lines.append(line)


def test_work_is_counted_also_while_one_thing_takes_long(monkeypatch):
    monkeypatch.setattr(progress, "TICK", 0.001)
    heard = Heard()

    def until(text):
        end = time.monotonic() + 10
        while not any(text in line for line in heard.lines):
            assert time.monotonic() < end, heard.lines
            time.sleep(0.001)

    with progress.counted(heard, "compiling it", "packages", 2) as count:
        until("compiling it: 0 of 2 packages (0%)")
        count()
        until("compiling it: 1 of 2 packages (50%), about 0 s left")
        count()
        until("all 2 packages done")
    heard.lines.clear()
    time.sleep(0.01)
    assert heard.lines == []


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (0, 5, "0 of 400 packages (0%)"),
        (100, 100, "100 of 400 packages (25%), about 5 min left"),
        (399, 399, "399 of 400 packages (99%), about 1 s left"),
        (400, 400, "all 400 packages done, finishing (7 min)"),
    ],
)
def test_how_far_work_is(done, seconds, said):
    assert progress.how_far(done, 400, "packages", seconds) == said
