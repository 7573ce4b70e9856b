"""Commands that messages name can be pasted, whatever the definition and the target of the run."""

import ast
import io
import json
import re
import sys
from pathlib import Path
from threading import Thread

import pytest
from typer.main import get_command

from generator import cli
from generator.cli import pasteable
from generator.cli.pasteable import complete
from generator.cli.phases import show
from generator.operations.project import open_project
from tests.cli.target import DEFINITION, run
from tests.test_architecture import FILES, ROOT

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


def test_a_command_looks_where_this_run_does(monkeypatch, tmp_path, capsys):
    """Another folder would be rendered, and another state be looked for."""
    monkeypatch.delenv("ANYWHERE_PROVIDER", raising=False)
    said = "`anywhere render`, `anywhere apply --out x`, `anywhere ssh m1`"
    completed = complete(said, Path("cluster.yaml"), "local", Path("a b"))
    assert completed == (
        "`anywhere render cluster.yaml --out 'a b'`, `anywhere apply cluster.yaml --out x`,"
        " `anywhere ssh cluster.yaml m1`"
    )
    pasteable.hints(lambda *, file, out: pasteable.say("`anywhere plan`"))(file=Path("cluster.yaml"), out=tmp_path)
    assert f"`anywhere plan cluster.yaml --out {tmp_path}`" in capsys.readouterr().out


def messages():
    """Every text in the program that is no docstring, with `{}` for what is put in; and where it stands."""
    for path in FILES:
        tree = ast.parse(path.read_text())
        known = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
        for each in ast.walk(tree):
            if isinstance(each, ast.JoinedStr):
                known |= {id(part) for part in each.values}
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in each.values)
                yield f"{path.relative_to(ROOT)}:{each.lineno}", "".join(parts)
            elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in known:
                yield f"{path.relative_to(ROOT)}:{each.lineno}", each.value


def test_commands_are_named_so_that_they_are_completed():
    """In backquotes, with `anywhere`, and without a target of their own."""
    verbs, groups = "|".join(pasteable._VERBS), "|".join(verb for verb in pasteable._VERBS if " " in verb)
    loose = re.compile(rf"(?<!`)\banywhere ({verbs})\b|`({groups})\b|`anywhere [^`]*--provider")
    found = [f"{where} {text}" for where, text in messages() if loose.search(text)]
    assert [each for each in found if not each.startswith("generator/cli/pasteable.py")] == []


def test_a_target_that_the_environment_chooses_is_not_named(monkeypatch):
    monkeypatch.setenv("ANYWHERE_PROVIDER", "gce")
    assert complete("`anywhere plan`", Path("cluster.yaml"), "gce") == "`anywhere plan`"
    assert complete("`anywhere plan`", Path("cluster.yaml"), "local") == "`anywhere plan cluster.yaml --provider local`"


CLOUD = DEFINITION + "providers:\n  aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}\n"


GCE = "  gce: {project: my-project, region: europe-west1, admin_cidrs: [203.0.113.0/24]}\n"


def test_the_target_is_named_unless_it_is_the_definitions_own(home):
    """Else whoever pastes it makes a local cluster of what is meant for a cloud, unasked."""
    file, said = Path("cluster.yaml"), "`anywhere apply`"
    file.write_text(CLOUD)
    assert complete(said, file, "aws") == said
    assert complete(said, file, "local") == "`anywhere apply cluster.yaml --provider local`"
    file.write_text(CLOUD + GCE)
    assert complete(said, file, "gce") == "`anywhere apply cluster.yaml --provider gce`"
    file.write_text(CLOUD + "  local: {}\n")
    assert complete(said, file, "local") == said
    assert complete(said, file, "aws") == "`anywhere apply cluster.yaml --provider aws`"


def test_a_verb_without_a_target_means_one_that_the_definition_has(home, capsys):
    (home / "other.yaml").write_text(CLOUD + GCE)
    assert run("secrets", "recrypt", "other.yaml") == 1
    assert "`anywhere apply other.yaml --provider aws` makes them" in capsys.readouterr().err


def test_no_target_is_guessed_among_clouds(home, capsys):
    (home / "other.yaml").write_text(CLOUD + GCE)
    for verb in ("plan", "apply", "images lock", "destroy", "backend create"):
        assert run(*verb.split(), "other.yaml") == 1
        assert capsys.readouterr().err.splitlines()[-2:] == [
            "error: other.yaml is for aws and gce; which of them is meant?",
            "hint: Add --provider aws or --provider gce.",
        ]


@pytest.mark.parametrize(
    ("sections", "target"),
    [("", "local"), (CLOUD, "aws"), (CLOUD + "  local: {}\n", "local"), (CLOUD + "  local:\n", "local")],
)
def test_the_target_is_the_definitions_own_where_none_is_chosen(home, sections, target):
    Path("cluster.yaml").write_text(sections or DEFINITION)
    opened = open_project(Path("cluster.yaml"), "", None)
    assert (opened.provider.name, opened.folder.name) == (target, f"{opened.name}-{target}")
    assert open_project(Path("cluster.yaml"), "gce", None).provider.name == "gce"


def test_whatever_a_verb_says_can_be_pasted(home, monkeypatch, capsys):
    """Not its errors alone: also its phases, from any thread, and what it prints."""

    def verb(file, provider):
        phases = show(io.StringIO())
        teller = Thread(target=phases.note, args=("`anywhere apply`",))
        teller.start()
        teller.join()
        phases.board(["`anywhere status`"])
        pasteable.say(phases._stream.getvalue() + "`anywhere destroy`")

    pasteable.hints(verb)(file=Path("other.yaml"), provider="gce")
    printed = capsys.readouterr().out
    for said in ("apply", "status", "destroy"):
        assert f"`anywhere {said} other.yaml --provider gce`" in printed


def test_whatever_the_command_line_prints_is_completed():
    raw = {path.name for path in FILES if path.parent.name == "cli" and "typer.echo" in path.read_text()}
    assert raw == {"__init__.py", "pasteable.py", "plan_view.py", "logs.py", "env.py", "schema.py", "graph.py"}


def test_json_stays_json_whatever_the_file_is_called(home):
    file = home / 'a"b\\c.yaml'
    file.write_text(DEFINITION)
    said = pasteable.hints(lambda *, file: pasteable.document({"hint": ["run `anywhere apply`"]}))(file=file)
    assert json.loads(said) == {"hint": [f"run `anywhere apply '{file}'`"]}


def test_a_verb_without_a_target_names_none_that_nobody_chose(home, monkeypatch, capsys):
    (home / "other.yaml").write_text(DEFINITION)
    monkeypatch.setenv("ANYWHERE_PROVIDER", "gce")
    assert run("secrets", "recrypt", "other.yaml") == 1
    assert "`anywhere apply other.yaml` makes them" in capsys.readouterr().err


def verbs_of(group, before=""):
    """Every verb by its words, of groups within groups too."""
    found = {}
    for name, verb in group.commands.items():
        within = hasattr(verb, "commands")
        found |= verbs_of(verb, f"{before}{name} ") if within else {f"{before}{name}": verb}
    return found


def test_every_verb_that_takes_a_definition_is_known():
    """And of each, whether it takes a target: `validate` may, and needs none."""
    verbs = verbs_of(get_command(cli.app))
    takes = {name: {parameter.name for parameter in verb.params} for name, verb in verbs.items() if name != "init"}
    assert {name for name, given in takes.items() if given & {"file", "files", "words"}} == set(pasteable._VERBS)
    without = {name for name in pasteable._VERBS if "provider" not in takes[name]}
    assert without | {"validate"} == set(pasteable._WITHOUT_TARGET)
    assert {name for name, given in takes.items() if "out" in given} == set(pasteable._WITH_FOLDER)


def test_every_verb_completes_what_it_says():
    verbs = verbs_of(get_command(cli.app)).values()
    assert [verb.name for verb in verbs if not hasattr(verb.callback.__wrapped__, "__wrapped__")] == []


def test_one_whose_words_are_too_few_says_so_too(home, capsys):
    assert run("etcd", "restore", "other.yaml", "--provider", "gce") == 1
    assert "`anywhere etcd list other.yaml --provider gce` shows them." in capsys.readouterr().err


def test_every_verb_says_so(home, capsys):
    (home / "other.yaml").write_text(DEFINITION)
    for verb in (("kubeconfig", "other.yaml"), ("status", "other.yaml"), ("logs", "other.yaml")):
        assert run(*verb) == 1
        printed = capsys.readouterr()
        assert "other.yaml`" in printed.out + printed.err, verb


@pytest.mark.parametrize(
    ("program", "installed", "called"),
    [
        (".venv/bin/anywhere", False, ".venv/bin/anywhere"),
        ("/a b/anywhere", False, "'/a b/anywhere'"),
        (".venv/bin/anywhere", True, "anywhere"),
        ("generator/cli/__main__.py", False, "anywhere"),
    ],
)
def test_a_command_begins_as_the_one_that_ran(home, monkeypatch, capsys, program, installed, called):
    """Under make nothing need be installed: `anywhere` alone would not be found."""
    (home / "bin").mkdir()
    if installed:
        (home / "bin" / "anywhere").touch(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.setattr(sys, "argv", [program])
    assert run("validate", "other.yaml") == 1
    assert f"make a definition with `{called} init other.yaml`." in capsys.readouterr().err
    (home / "other.yaml").write_text(DEFINITION)
    assert run("status", "other.yaml") == 1
    assert f"`{called} apply other.yaml` to create it." in capsys.readouterr().out
