"""The mutants that `make mutate` tries the tests with."""

import ast

import pytest

from tests.mutation.__main__ import MUTATED, TESTS
from tests.mutation.mutant import mutants
from tests.mutation.probe import probed
from tests.mutation.suite import FAILED, ROOT, Baseline, Copy, followed
from tests.mutation.survivors import REASONS

SOURCE = """\
def verb(run):
    first(
        run,
    )
    if not run.fit:
        raise UserError("No.")
    return kept(run)


STEPS = (
    Step("Do it", verb),
    Step("Look", lambda run: None, when=always),
)
"""
PROBED = '''\
"""A verb."""

from __future__ import annotations

from generator.operations.steps import Step


def verb(fit):
    print(fit)
    iter(())
    if not fit:
        raise ValueError("No.")


STEPS = (Step("Do it", verb),)
'''


def test_each_lacks_one_thing_and_keeps_the_lines():
    found = list(mutants(SOURCE))
    assert [m.line for m in found] == [2, 6, 11, 12]
    for mutant in found:
        ast.parse(mutant.text)
        assert len(mutant.text.splitlines()) == len(SOURCE.splitlines())
    assert "first(" not in found[0].text and "kept(run)" in found[0].text
    assert "raise" not in found[1].text
    assert "Do it" not in found[2].text and "Look" in found[2].text
    assert "Look" not in found[3].text


def test_what_is_said_or_slept_is_no_guard():
    assert list(mutants("print('Done.')\ntime.sleep(1)\n")) == []


def test_what_is_mutated_is_there_and_has_tests():
    for name in MUTATED:
        assert list(mutants((ROOT / name).read_text())), name
        assert name.startswith(tuple(TESTS))
    assert all((ROOT / test).exists() for tests in TESTS.values() for test in tests)


def test_what_may_survive_is_there():
    for name, reasons in REASONS.items():
        assert reasons.keys() <= {mutant.what for mutant in mutants((ROOT / name).read_text())}, name


def test_probes_note_what_runs_and_for_which_test(tmp_path, monkeypatch):
    written = probed(PROBED, "verb.py", tmp_path)
    module = {"__name__": "verb"}
    exec(compile(written, "verb.py", "exec"), module)
    for test in ("tests/a.py::one", "tests/a.py::two"):
        monkeypatch.setenv("PYTEST_CURRENT_TEST", f"{test} (call)")
        for step in module["STEPS"]:
            assert step.run(True) is None
    with pytest.raises(ValueError):
        module["verb"](False)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # as in a program with an environment of its own
    (tmp_path / "now-here").write_text("tests/a.py::three")
    module["verb"](True)
    assert (tmp_path / "ran").read_text().splitlines() == [
        "verb.py\t2\ttests/a.py::one",
        "verb.py\t0\ttests/a.py::one",
        "verb.py\t2\ttests/a.py::two",
        "verb.py\t0\ttests/a.py::two",
        "verb.py\t1\ttests/a.py::two",
        "verb.py\t0\ttests/a.py::three",
    ]


def test_a_mutant_gets_the_tests_that_run_it_and_then_those_beside_them():
    seconds = {"a.py::slow": 3.0, "a.py::quick": 1.0, "a.py::beside": 0.5, "b.py::other": 0.1}
    ran = {("verb.py", 0): dict.fromkeys(("a.py::slow", "a.py::quick", "a.py::fails"), 9)}
    baseline = Baseline(seconds, ran, ("a.py::fails",))
    assert list(baseline.tests("verb.py", 0)) == ["a.py::quick", "a.py::slow", "a.py::beside"]
    assert list(baseline.tests("verb.py", 0, noticed={"a.py::slow"})) == ["a.py::slow", "a.py::quick", "a.py::beside"]
    assert set(baseline.tests("verb.py", 0).values()) == {45.0}
    assert baseline.tests("verb.py", 1) == {}


def test_a_test_that_ends_with_the_statement_comes_first():
    notes = [f"verb.py\t{number}\ta.py::{test}" for test in ("goes_on", "refused") for number in range(5)]
    ran = followed([note for note in notes if note not in ("verb.py\t2\ta.py::refused", "verb.py\t3\ta.py::refused")])
    assert ran["verb.py", 4] == {"a.py::goes_on": 0, "a.py::refused": 0}
    assert ran["verb.py", 1] == {"a.py::goes_on": 3, "a.py::refused": 1}
    baseline = Baseline({"a.py::goes_on": 1.0, "a.py::refused": 2.0}, ran, ())
    assert list(baseline.tests("verb.py", 1, noticed={"a.py::goes_on"})) == ["a.py::refused", "a.py::goes_on"]


def test_a_test_whose_name_has_words_of_the_statement_comes_first():
    tests = ("a.py::test_apply_destroys_by_name", "a.py::test_apply_asks", "a.py::test_apply_waits")
    baseline = Baseline(dict.fromkeys(tests, 1.0), {("verb.py", 0): dict.fromkeys(tests, 9)}, ())
    assert (
        next(iter(baseline.tests("verb.py", 0, "destroy_guard.check(apply)", {"a.py::test_apply_waits"}))) == tests[0]
    )


@pytest.fixture
def copy(tmp_path):
    """A tree with three tests."""
    found = Copy(tmp_path / "tree", tmp_path / "notes")
    found.folder.mkdir()
    found.notes.mkdir()
    (found.folder / "tests").symlink_to(ROOT / "tests")
    texts = (
        "def test_passes():\n    pass",
        "def test_fails():\n    assert 0",
        "def test_hangs():\n    time.sleep(600)",
    )
    (found.folder / "test_small.py").write_text("\n\n".join(("import time", *texts)))
    return found


@pytest.mark.parametrize(
    ("tests", "failed"),
    [
        (("passes", "fails", "hangs"), "test_small.py::test_fails"),
        (("passes", "hangs", "fails"), "test_small.py::test_hangs, which does not end"),
        (("passes",), ""),
    ],
)
def test_tests_run_in_the_order_that_is_wanted_until_one_fails(copy, tests, failed):
    assert copy.first_failed({f"test_small.py::test_{name}": 0.5 for name in tests}) == failed


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("import nowhere\n", "the import of a test"),
        ("import os\n\ndef test_ends():\n    os.kill(os.getpid(), 15)\n", "pytest itself, which signal 15 ended"),
    ],
)
def test_what_ends_pytest_itself_is_noticed(copy, text, failed):
    (copy.folder / "test_small.py").write_text(text)
    assert copy.first_failed({"test_small.py::test_ends": 30}) == failed


def test_how_each_test_ended_and_how_long_it_took_is_noted(copy):
    (copy.folder / "test_small.py").write_text("def test_passes():\n    pass\n\ndef test_fails():\n    assert 0\n")
    assert copy.run(["test_small.py"], "-n0") == FAILED
    ended = copy.ended()
    assert {name: how for name, (how, _) in ended.items()} == {
        "test_small.py::test_passes": "passed", "test_small.py::test_fails": "failed"
    }  # fmt: skip
    assert all(0 <= seconds < 5 for _, seconds in ended.values())
