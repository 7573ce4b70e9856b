"""The mutants that `make mutate` tries the tests with."""

import ast

from tests.mutation.__main__ import ROOT, TESTS
from tests.mutation.mutant import mutants

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


def test_what_is_mutated_is_there():
    for name, tests in TESTS.items():
        assert list(mutants((ROOT / name).read_text())), name
        assert all((ROOT / test).exists() for test in tests)
