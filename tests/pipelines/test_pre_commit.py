"""The hooks of .pre-commit-hooks.yaml, as pre-commit calls them: `entry`, then `args`, then the files."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from generator import lock
from tests import golden
from tests.cli.target import DEFINITION, run

ROOT = Path(__file__).parents[2]
HOOKS = {hook["id"]: hook for hook in YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")}


def commit(name, *words):
    program, *verb = shlex.split(HOOKS[name]["entry"])
    assert program == "anywhere"
    return run(*verb, *words)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A definition with a complete lock, and nobody's key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "cluster.yaml").write_text((golden.EXAMPLES / "quickstart" / "cluster.yaml").read_text())
    lock.write(tmp_path / "cluster.lock.yaml", replace(golden.load("quickstart")[1], facts={"local": {}}))
    return tmp_path


def test_definitions_are_found_by_their_name():
    pattern = re.compile(HOOKS["anywhere-validate"]["files"])
    assert all(pattern.search(name) for name in ("cluster.yaml", "examples/ha/cluster.yaml"))
    assert not any(pattern.search(name) for name in ("cluster.lock.yaml", "my-cluster.yaml", "cluster.yaml.orig"))


def test_a_commit_is_told_of_every_definition_that_is_wrong(repository, capsys):
    for name in ("a", "b"):
        (repository / f"{name}.yaml").write_text(DEFINITION.replace("masters", "mastres"))
    assert commit("anywhere-validate", "cluster.yaml") == 0
    assert commit("anywhere-validate", "a.yaml", "b.yaml", "cluster.yaml") == 1
    said = capsys.readouterr().err
    assert "a.yaml:6: spec.mastres" in said and "b.yaml:6: spec.mastres" in said


def test_a_commit_is_told_that_a_rendered_folder_is_stale(repository, capsys):
    hook, args = HOOKS["anywhere-render-check"], ("cluster.yaml", "--out", "rendered")
    assert (hook["always_run"], hook["pass_filenames"]) == (True, False)
    assert run("render", *args) == 0 and commit("anywhere-render-check", *args) == 0
    (repository / "rendered" / "machines.tf").write_text("# mine\n")
    capsys.readouterr()
    assert commit("anywhere-render-check", *args) == 1
    assert capsys.readouterr().out == f"{repository / 'rendered' / 'machines.tf'}\n"
