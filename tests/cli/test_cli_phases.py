"""What long work shows, in a pipe and on a terminal."""

import io
import re

import pytest

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
