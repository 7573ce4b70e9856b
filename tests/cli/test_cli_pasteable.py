"""Commands that messages name can be pasted, whatever the definition and the target of the run."""

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

from generator import cli
from generator.cli import pasteable
from generator.cli.pasteable import complete
from tests.cli.target import DEFINITION, run

ROOT = Path(__file__).parents[2]
SAID = "Run `anywhere apply`, then `anywhere ssh m1 -- df -h`; `anywhere secrets recrypt`, `anywhere schema`."


@pytest.mark.parametrize(
    ("file", "provider", "expected"),
    [
        ("cluster.yaml", "local", SAID),
        (
            "cluster.yaml",
            "gce",
            "Run `anywhere apply cluster.yaml --provider gce`, then"
            " `anywhere ssh cluster.yaml --provider gce m1 -- df -h`; `anywhere secrets recrypt cluster.yaml`,"
            " `anywhere schema`.",
        ),
        (
            "a b/x.yml",
            "local",
            "Run `anywhere apply 'a b/x.yml'`, then `anywhere ssh 'a b/x.yml' m1 -- df -h`;"
            " `anywhere secrets recrypt 'a b/x.yml'`, `anywhere schema`.",
        ),
    ],
)
def test_commands_name_the_definition_and_the_target_unless_they_are_the_defaults(
    monkeypatch, file, provider, expected
):
    monkeypatch.delenv("ANYWHERE_PROVIDER", raising=False)
    assert complete(SAID, Path(file), provider) == expected
    assert complete(expected, Path(file), provider) == expected


@pytest.mark.parametrize("file", ["/a/cluster.yaml", "'/a b/cluster.yml'"])
def test_a_command_that_names_its_definition_gets_the_target_alone(monkeypatch, file):
    monkeypatch.delenv("ANYWHERE_PROVIDER", raising=False)
    said = (
        f"`anywhere images lock {file}`, `anywhere apply {file} --provider gce`, `anywhere ssh {file} m1 -- cat x.yaml`"
    )
    assert complete(said, Path("x.yaml"), "aws") == (
        f"`anywhere images lock {file} --provider aws`, `anywhere apply {file} --provider gce`,"
        f" `anywhere ssh {file} --provider aws m1 -- cat x.yaml`"
    )


def messages():
    """Every text in the program that is no docstring, with `{}` for what is put in; and where it stands."""
    for path in (*ROOT.glob("generator/**/*.py"), *ROOT.glob("providers/**/*.py")):
        tree = ast.parse(path.read_text())
        known = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        for each in ast.walk(tree):
            if isinstance(each, ast.JoinedStr):
                known |= {id(part) for part in each.values}
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in each.values)
                yield f"{path.relative_to(ROOT)}:{each.lineno}", "".join(parts)
            elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in known:
                yield f"{path.relative_to(ROOT)}:{each.lineno}", each.value


def test_every_command_in_a_message_is_completed_or_complete():
    """In backquotes it gets what it lacks; without them it stands as it is, so it has the definition and the target."""
    verbs = sorted(pasteable._VERBS, key=len, reverse=True)
    bare = re.compile(rf"(?<![`\w.-])anywhere ({'|'.join(verbs)})\b(?! {{}})")
    assert [where for where, text in messages() if bare.search(text)] == []


def test_a_target_that_the_environment_chooses_is_not_named(monkeypatch):
    monkeypatch.setenv("ANYWHERE_PROVIDER", "gce")
    assert complete("`anywhere plan`", Path("cluster.yaml"), "gce") == "`anywhere plan`"
    assert complete("`anywhere plan`", Path("cluster.yaml"), "local") == "`anywhere plan cluster.yaml --provider local`"


def test_a_verb_without_a_target_names_none_that_nobody_chose(home, monkeypatch, capsys):
    (home / "other.yaml").write_text(DEFINITION)
    monkeypatch.setenv("ANYWHERE_PROVIDER", "gce")
    assert run("secrets", "recrypt", "other.yaml") == 1
    assert "`anywhere apply other.yaml` makes them" in capsys.readouterr().err


def test_every_verb_that_takes_a_definition_is_known():
    """And of each, whether it takes a target: `validate` may, and needs none."""
    root = get_command(cli.app)
    groups = {name: group.commands for name, group in root.commands.items() if hasattr(group, "commands")}
    verbs = {name: verb for name, verb in root.commands.items() if name not in groups}
    verbs |= {f"{group} {name}": verb for group, found in groups.items() for name, verb in found.items()}
    takes = {name: {parameter.name for parameter in verb.params} for name, verb in verbs.items() if name != "init"}
    assert {name for name, given in takes.items() if given & {"file", "words"}} == set(pasteable._VERBS)
    without = {name for name in pasteable._VERBS if "provider" not in takes[name]}
    assert without | {"validate"} == set(pasteable._WITHOUT_TARGET)


def test_every_verb_says_so(home, capsys):
    (home / "other.yaml").write_text(DEFINITION)
    for verb in (("kubeconfig", "other.yaml"), ("status", "other.yaml"), ("logs", "other.yaml")):
        assert run(*verb) == 1
        printed = capsys.readouterr()
        assert "other.yaml`" in printed.out + printed.err, verb
