"""The command line itself: help, errors, exit statuses, what programs read."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import generator
from generator import cli
from generator.cli.phases import show
from generator.errors import UserError
from generator.operations import field_changes, project
from generator.operations.field_changes import Notice
from generator.schema import load
from tests.cli.target import DEFINITION, run

VERBS = {
    *("init", "validate", "schema", "render", "plan", "apply", "destroy", "graph"),
    *("status", "kubeconfig", "ssh", "logs", "images", "doctor", "env", "backend", "secrets"),
}
HEAVY = {"rich", "pydantic", "ruamel.yaml", "cryptography", "jinja2", "grpc", "boto3", "google.protobuf"}


def test_help_names_every_verb(capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert run() == 0


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb, capsys):
    assert run(verb, "--help") == 0
    assert f"anywhere {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["plan"], ["images"], ["images", "lock"], ["backend", "create"]])
def test_h_is_help(words, capsys):
    assert run(*words, "-h") == 0
    assert f"Usage: {' '.join(['anywhere', *words])} " in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"anywhere {generator.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    program = [sys.executable, "-m", "generator.cli"]
    shown = subprocess.run([*program, "--show-completion", shell], capture_output=True, text=True, check=True)
    assert "_ANYWHERE_COMPLETE" in shown.stdout
    for typed, offered in (("anywhere pl", "plan"), ("anywhere plan --det", "--detailed-exitcode")):
        words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_TYPER_COMPLETE_ARGS": typed}
        asked = {"_ANYWHERE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        done = subprocess.run(program, env={**os.environ, **asked, **words}, capture_output=True, text=True)
        assert offered in done.stdout, done.stderr


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_imports_nothing_heavy(word):
    script = f"import sys; from generator import cli; cli.run(['{word}']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stderr.split()) == set()


@pytest.mark.parametrize("words", [["plan", "--nonsense"], ["nonsense"], ["images"], ["plan", "a", "b"]])
def test_a_wrong_command_line_ends_with_1(words, capsys):
    assert run(*words) == 1
    assert "Usage: anywhere" in capsys.readouterr().err


def test_an_error_has_a_message_and_a_hint_and_no_traceback(home, capsys):
    assert run("plan", "absent.yaml") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "absent.yaml" in err and "\nhint: " in err and "Traceback" not in err


def test_a_fault_of_ours_is_one_line_unless_asked(definition, capsys, monkeypatch):
    monkeypatch.setattr(project, "load", lambda name: 1 / 0)
    assert run("status") == 1
    err = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in err and "ANYWHERE_DEBUG=1" in err and "Traceback" not in err
    monkeypatch.setenv("ANYWHERE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("status")


def test_an_interrupt_ends_with_130_and_says_what_is_kept(definition, capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(project, "load", interrupted)
    assert run("status") == 130
    assert "is kept" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_fault(home):
    done = subprocess.run(f"{sys.executable} -m generator.cli schema | head -c 10", shell=True, capture_output=True)
    assert b"Traceback" not in done.stderr and b"unexpected" not in done.stderr


def test_an_output_that_is_full_is_said_once():
    done = subprocess.run(f"{sys.executable} -m generator.cli schema > /dev/full", shell=True, capture_output=True)
    assert done.returncode == 1 and done.stderr.decode().splitlines() == [
        "error: No space left on device.",
        "hint: Free some space there and run the same command again.",
    ]


def test_init_writes_a_valid_definition_once(home, capsys):
    folder = home / "My Cluster 2"
    folder.mkdir()
    assert run("init", folder / "cluster.yaml") == 0
    assert run("validate", folder / "cluster.yaml") == 0
    assert load(folder / "cluster.yaml").name == "my-cluster-2"
    assert run("init", folder / "cluster.yaml") == 1
    assert "cluster.yaml already exists." in capsys.readouterr().err


def test_init_that_cannot_write_leaves_no_empty_definition(home, monkeypatch, capsys):
    def opened(path, mode):
        path.touch(exist_ok=False)
        return os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")

    with monkeypatch.context() as full:
        full.setattr(Path, "open", opened)
        assert run("init") == 1
    assert "No space left on device" in capsys.readouterr().err and not (home / "cluster.yaml").exists()
    assert run("init") == 0


def test_a_user_whom_the_system_does_not_know_is_told_to_set_home(definition, monkeypatch, capsys):
    for name in ("HOME", "ANYWHERE_HOME", "ANYWHERE_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does where it knows no home
    for verb in ("plan", "status", "doctor"):
        assert run(verb) == 1
        assert "error: Your home folder is unknown: HOME is not set." in capsys.readouterr().err


def test_validate_gives_its_problems_to_machines(definition, capsys):
    definition.write_text(DEFINITION.replace("masters", "mastres"))
    assert run("validate", "--json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [p["path"] for p in problems] == ["spec.mastres"] and problems[0]["line"] == 6
    assert run("validate") == 1
    assert "cluster.yaml:6: spec.mastres" in capsys.readouterr().err


def test_validate_takes_several_files_and_reports_all_of_them_at_once(definition, home, capsys):
    wrong = {"a.yaml": "mastres", "b.yaml": "wrokers"}
    (home / "a.yaml").write_text(DEFINITION.replace("masters", "mastres"))
    (home / "b.yaml").write_text(DEFINITION.replace("workers", "wrokers"))
    assert run("validate", "a.yaml", "cluster.yaml", "b.yaml", "absent.yaml") == 1
    said = capsys.readouterr()
    assert said.out == "cluster.yaml: cluster quickstart is valid.\n"
    *errors, hint = said.err.splitlines()
    assert errors[0].startswith("error: a.yaml:6: spec.mastres") and errors[1].startswith("b.yaml:7: spec.wrokers")
    assert "absent.yaml" in errors[2] and len(errors) == 3
    assert hint.startswith("hint: ") and hint.endswith(" Fix a.yaml and b.yaml and run the same command again.")
    assert run("validate", "a.yaml", "cluster.yaml", "b.yaml", "--json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {p["file"]: p["path"] for p in problems} == {file: f"spec.{key}" for file, key in wrong.items()}
    assert run("validate", "a.yaml", "absent.yaml", "--json") == 1
    one, absent = json.loads(capsys.readouterr().out)["problems"]
    assert one["file"] == "a.yaml" and absent["file"] == "absent.yaml" and absent["line"] is None
    assert absent["message"] == "There is no file absent.yaml." and "anywhere init absent.yaml" in absent["hint"]


def test_validate_names_a_file_that_alone_is_wrong_as_before(definition, home, capsys):
    (home / "a.yaml").write_text(DEFINITION.replace("masters", "mastres"))
    assert run("validate", "a.yaml") == 1
    alone = capsys.readouterr().err
    assert run("validate", "a.yaml", "cluster.yaml") == 1
    assert capsys.readouterr().err == alone


def test_init_refuses_what_no_definition_may_have(home, capsys):
    assert run("init", "--name", "My Cluster") == 1
    assert "--name: " in capsys.readouterr().err and not (home / "cluster.yaml").exists()
    assert run("init", "nowhere/cluster.yaml") == 1
    assert "The folder nowhere does not exist." in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["validate", "graph", "render", "plan", "apply", "status", "doctor", "kubeconfig", "destroy", "env"]
)
def test_a_target_that_there_is_not_is_named(definition, home, verb, capsys):
    before = sorted(home.iterdir())
    assert run(verb, "--provider", "azure") == 1
    assert capsys.readouterr().err == "error: There is no provider 'azure'.\nhint: Use one of: local, aws, gce.\n"
    assert sorted(home.iterdir()) == before


def test_validate_says_that_a_definition_is_for_another_target(definition, capsys):
    gce = "{project: my-project, region: europe-west1, admin_cidrs: [203.0.113.0/24]}"
    definition.write_text(f"{DEFINITION}providers:\n  gce: {gce}\n")
    assert [run("validate", "--provider", name) for name in ("gce", "local", "aws")] == [0, 0, 1]
    error, hint = capsys.readouterr().err.splitlines()
    assert error.endswith("cluster.yaml does not say where on AWS: it has no providers.aws.") and "aws: {" in hint


def test_a_file_is_no_folder_for_output(nowhere, home, capsys):
    (home / "file").write_text("mine")
    for out in ("file", "file/below"):
        assert run("plan", "--out", home / out) == 1
        assert "is not a folder" in capsys.readouterr().err
    assert (home / "file").read_text() == "mine"


def test_the_system_s_errors_come_with_a_remedy(capsys, monkeypatch):
    def fill(*words, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/x")

    monkeypatch.setattr(cli, "app", fill)
    assert run("plan") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: /cache/x: No space left on device.",
        "hint: Free some space there and run the same command again.",
    ]


def test_a_provider_that_is_not_there_is_named(definition, capsys):
    assert run("status", "--provider", "azure") == 1
    assert "no provider 'azure'" in capsys.readouterr().err


def test_a_user_error_is_printed_in_one_place(capsys, monkeypatch):
    def refuse(*words, **options):
        raise UserError("No.", "Ask again.")

    monkeypatch.setattr(cli, "app", refuse)
    assert run("plan") == 1
    assert capsys.readouterr().err == "error: No.\nhint: Ask again.\n"


def test_progress_goes_to_standard_error(nowhere, capsys):
    run("plan", "--json")
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert show().__class__.__name__ == "Phases"


def keys(document):
    """Every key in a JSON document, but those of `counts`, which are actions."""
    if isinstance(document, list):
        return set().union(*map(keys, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    return document.keys() | set().union(*(keys(v) for k, v in document.items() if k != "counts"))


def test_what_programs_get_is_documented(nowhere, definition, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    section = text.partition("\n## Output for programs\n")[2].partition("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {verb.strip(" `"): set(re.findall(r"`(\w+)`", said)) for _, verb, said, _ in rows}
    run("apply", "--yes", "--timeout", "20")
    monkeypatch.setattr(field_changes, "check", lambda workspace, **_: (Notice("spec.registry", "is another"),))
    for verb in ("plan", "status", "doctor", "images list"):
        capsys.readouterr()
        nowhere.main = nowhere.main.replace("VALUE", "OTHER")
        assert run(*verb.split(), "--json") == 0
        given = keys(json.loads(capsys.readouterr().out))
        assert given == documented.pop(verb)
    definition.write_text(DEFINITION.replace("masters", "mastres"))
    assert run("validate", "--json") == 1
    assert keys(json.loads(capsys.readouterr().out)) == documented.pop("validate")
    assert documented == {}


@pytest.mark.parametrize("text", [DEFINITION, f"{DEFINITION}# one\n"])
def test_the_markers_of_a_merge_are_called_so(definition, text, capsys):
    definition.write_text(f"{text}<<<<<<< HEAD\n  a: 1\n=======\n  a: 2\n>>>>>>> other\n")
    assert run("validate") == 1
    assert f"cluster.yaml:{text.count(chr(10)) + 1}: has the markers of a merge conflict" in capsys.readouterr().err


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", ">&-"])
def test_a_stream_that_is_closed_is_no_fault(definition, closed):
    """Cron and some runners close them."""
    command = f"{sys.executable} -m generator.cli validate cluster.yaml {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=definition.parent, env=with_code(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if closed == ">&-" else "cluster.yaml: cluster quickstart is valid.\n")


def test_without_standard_input_there_is_nobody_to_ask(definition):
    command = f"{sys.executable} -m generator.cli graph --plan - <&-"
    done = subprocess.run(["sh", "-c", command], cwd=definition.parent, env=with_code(), capture_output=True, text=True)
    assert done.returncode == 1 and "has no plan as JSON" in done.stderr


@pytest.mark.parametrize("seconds", ["-5", "nan", "inf", "soon"])
def test_a_timeout_is_a_time(definition, seconds, capsys):
    assert run("apply", "--timeout", seconds) == 1
    assert "--timeout" in capsys.readouterr().err


def with_code():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
