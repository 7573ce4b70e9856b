"""The folder of a cluster, as the verbs use it: what they refuse in it, who holds it, and what stays in it."""

import json
import os
import re
import shutil
import stat

import pytest

from generator.cli import approval
from generator.operations import folder_lock, planning
from generator.operations.folder_lock import LOCK
from generator.operations.project import open_project
from providers import Addresses
from tests.cli.target import run


def content(folder):
    """Every file below `folder`, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", [("render",), ("plan",), ("apply", "--yes"), ("destroy", "--yes"), ("kubeconfig",)])
def test_no_verb_runs_terraform_on_a_foreign_file(nowhere, home, verb, capsys):
    folder = home / "rendered"
    assert run("apply", "--yes", "--timeout", "20", "--out", folder) == 0
    (folder / "x.tf").write_text('output "stolen" {\n  value = "${abspath(path.root)}"\n}\n')
    before = content(folder)
    assert run(*verb, "--out", folder) == 1
    assert f"Terraform would read files in {folder} that anywhere did not write: x.tf." in capsys.readouterr().err
    assert content(folder) == before


@pytest.mark.parametrize("verb", [("render",), ("plan",), ("apply", "--yes"), ("destroy", "--yes")])
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "kubeconfig",
            "kind: Config\ncurrent-context: work\n",
            "kubeconfig is not the kubeconfig of cluster quickstart,",
        ),
        (
            "terraform.tfstate",
            '{"version": 4, "lineage": "a", "serial": 1, "resources": [{"type": "aws_vpc", "instances": []}]}',
            "rendered holds a Terraform state of something else, not of 'quickstart'.",
        ),
    ],
)
def test_what_a_person_has_in_a_folder_is_not_taken(nowhere, home, verb, name, text, said, capsys):
    folder = home / "rendered"
    folder.mkdir()
    (folder / name).write_text(text)
    assert run(*verb, "--out", folder) == 1
    assert said in capsys.readouterr().err and content(folder) == {name: text.encode()}


def holding(home):
    """The folder of the cluster, and what a run leaves in it for a while."""
    folder = home / ".anywhere" / "quickstart-local"
    patterns = (".anywhere-*.tfplan", LOCK, "*_override.tf", ".terraform.tfstate.lock.info")
    return folder, lambda: [path.name for pattern in patterns for path in folder.glob(pattern)]


@pytest.mark.parametrize("verb", [("render",), ("plan",), ("apply", "--yes"), ("destroy", "--yes")])
def test_a_folder_that_another_run_holds_is_left_alone(nowhere, home, definition, verb, capsys):
    opened, (folder, _) = open_project(definition, "local", None), holding(home)
    with folder_lock.hold(opened, "upgrade"):
        assert run(*verb) == 1
        assert [path.name for path in folder.iterdir()] == [LOCK]
    said = capsys.readouterr().err
    assert re.search(
        rf"Another run works in {folder}: `anywhere upgrade`, process {os.getpid()}, since 20\S+ \S+\.", said
    )
    assert not folder.exists() and run("render") == 0  # what was made only to be held is gone with it


def test_a_file_of_a_dead_run_locks_nothing_and_is_deleted(nowhere, home):
    folder, left = holding(home)
    folder.mkdir(parents=True)
    (folder / LOCK).write_text("`anywhere apply`, process 1, since 2020-01-01")
    (folder / ".anywhere-dead.tfplan").touch()
    assert run("plan") == 0 and left() == []


@pytest.mark.parametrize("name", [".anywhere", ".anywhere/quickstart-local"])
def test_a_folder_that_is_a_link_is_not_followed(nowhere, home, capsys, name):
    (home / "elsewhere").mkdir()
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).symlink_to(home / "elsewhere")
    for verb in ("render", "plan", "apply", "status", "destroy"):
        assert run(verb) == 1
        said = capsys.readouterr().err
        assert f"{name} is a link to {home / 'elsewhere'}" in said and f"--out {home / 'elsewhere'}" in said
    assert list((home / "elsewhere").iterdir()) == []


def test_a_lock_that_is_a_link_is_not_followed(nowhere, home, capsys):
    folder, _ = holding(home)
    folder.mkdir(parents=True)
    (folder / LOCK).symlink_to(home / "victim")
    assert run("plan") == 1
    assert f"{folder / LOCK} cannot be locked" in capsys.readouterr().err and not (home / "victim").exists()


def test_the_plan_that_was_shown_is_applied_whatever_is_run_meanwhile(nowhere, home, monkeypatch):
    folder, left = holding(home)
    plans = []

    def asked(question, yes):
        plans.extend(stat.S_IMODE(path.stat().st_mode) for path in folder.glob(".anywhere-*.tfplan"))
        assert run("destroy", "--yes") == 1  # a second terminal

    monkeypatch.setattr(approval, "confirm", asked)
    assert run("apply", "--timeout", "20") == 0
    assert plans == [0o600] and left() == []
    assert "terraform_data" in (folder / "terraform.tfstate").read_text()


SECRET = """
resource "terraform_data" "secret" {
  for_each = { etcd = "VERSION", weave = 1 }
  input    = each.value

  lifecycle {
    precondition {
      condition     = contains(keys(var.secrets), each.key)
      error_message = "missing"
    }
  }
}
"""


def test_terraform_gets_only_the_secrets_that_a_plan_writes(nowhere, home, monkeypatch):
    program, log = home / "recorder", home / "given"
    program.write_text(f'#!/bin/sh\necho "$1 $TF_VAR_secrets" >> {log}\nexec {shutil.which("terraform")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("ANYWHERE_TERRAFORM", str(program))
    monkeypatch.setattr(
        nowhere, "addresses", Addresses("a.b", "c.d", "e.f", secret="terraform_data.secret"), raising=False
    )

    def given():
        lines = [line.partition(" ") for line in log.read_text().splitlines()]
        log.unlink()
        secrets = [(word, json.loads(text)) for word, _, text in lines if text]
        return {word: {name for name, text in values.items() if text != planning.WITHHELD} for word, values in secrets}

    without = nowhere.main
    nowhere.main = without + SECRET
    assert run("apply", "--yes", "--timeout", "20") == 0 and given() == {"plan": set(), "apply": {"etcd", "weave"}}
    nowhere.main = without.replace("VALUE", "other") + SECRET.replace("VERSION", "new")
    assert run("apply", "--yes", "--timeout", "20") == 0 and given() == {"plan": set(), "apply": {"etcd"}}
