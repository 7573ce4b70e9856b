"""Who may open a store: what is read from the environment and the definition, and who is refused."""

import pyrage
import pytest

from generator import recipients, schema
from generator.errors import InvalidFile, UserError
from tests.cli.target import DEFINITION

A, B, OWN = (str(pyrage.x25519.Identity.generate().to_public()) for _ in range(3))


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    monkeypatch.delenv(recipients.VARIABLE, raising=False)


@pytest.mark.parametrize(
    "text",
    [f"{A},{B}", f"{A}\n{B}\n", f" {A} , {B},", f"# the team\n{A}\n\n{B}", f"{A},{B},{A}"],
    ids=["commas", "lines", "blanks", "comment", "twice"],
)
@pytest.mark.parametrize("form", ["text", "file"])
def test_a_list_is_separated_by_commas_or_lines_or_is_a_file(text, form, tmp_path, monkeypatch):
    (tmp_path / "team").write_text(text)
    monkeypatch.setenv(recipients.VARIABLE, text if form == "text" else str(tmp_path / "team"))
    assert recipients.from_environment() == (A, B)


@pytest.mark.parametrize(
    "text",
    [f"{A},age1nonsense", "/nowhere/team", f"{A}\n{pyrage.x25519.Identity.generate()}"],
    ids=["nonsense", "path", "private"],  # the keys are new each time, and pytest-xdist wants the same names everywhere
)
def test_what_is_not_a_recipient_is_refused_and_not_shown(text, monkeypatch):
    monkeypatch.setenv(recipients.VARIABLE, text)
    with pytest.raises(UserError) as caught:
        recipients.from_environment()
    said = caught.value.message + caught.value.hint
    assert recipients.VARIABLE in said and "SECRET" not in said and "age1nonsense" not in said


def test_a_file_that_is_not_text_is_refused(tmp_path, monkeypatch):
    (tmp_path / "team").write_bytes(b"\xff")
    monkeypatch.setenv(recipients.VARIABLE, str(tmp_path / "team"))
    with pytest.raises(UserError, match="team is not an age recipient"):
        recipients.from_environment()


def test_the_own_key_is_added_unless_the_definition_says_who(monkeypatch):
    assert recipients.wanted((), [OWN]) == (OWN,)
    assert recipients.wanted((A, OWN), [OWN, B]) == tuple(sorted((A, OWN)))
    with pytest.raises(UserError, match="is not among spec"):
        recipients.wanted((A,), [OWN])
    monkeypatch.setenv(recipients.VARIABLE, B)
    assert recipients.wanted((), [OWN]) == tuple(sorted((B, OWN)))
    monkeypatch.setenv(recipients.VARIABLE, OWN)
    assert recipients.wanted((A,), [OWN]) == tuple(sorted((A, OWN)))


def test_the_definition_names_line_and_remedy(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(DEFINITION + f"  access:\n    age_recipients:\n    - {A}\n    - age1x\n    - AGE-SECRET-KEY-1X\n")
    with pytest.raises(InvalidFile) as caught:
        schema.load(path)
    first, second = caught.value.problems
    assert (first.path, first.line) == ("spec.access.age_recipients[1]", 11) and "anywhere secrets key" in first.hint
    assert second.line == 12 and "private age key" in second.message and "1X" not in second.message + second.hint
    path.write_text(DEFINITION + f"  access: {{age_recipients: [{A}, {A}]}}\n")
    assert schema.load(path).age_recipients == (A,)
