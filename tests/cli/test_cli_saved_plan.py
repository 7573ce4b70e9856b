"""A plan that is saved in one checkout and applied in another one, with Terraform's own plans and states."""

import io
import json
import shutil
import stat
import sys
import zipfile
from dataclasses import replace

import pytest

from generator import store
from generator.operations import planning, saved_plan
from tests import secrets_scan
from tests.cli.target import DEFINITION, run


@pytest.fixture
def saved(nowhere, home, definition, capsys):
    """A plan to create the cluster, saved."""
    assert run("plan", "--save", "saved.plan") == 0
    assert "1 to create" in capsys.readouterr().out
    return home / "saved.plan"


@pytest.fixture
def elsewhere(nowhere, home, monkeypatch):
    """Copy all that git has, and then work in the copy."""

    def go():
        there = home / "elsewhere"
        there.mkdir()
        for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.secrets.age"):
            shutil.copy(home / name, there)
        monkeypatch.chdir(there)
        return there

    return go


def state(folder):
    return (folder / ".anywhere" / "quickstart-local" / "terraform.tfstate").read_text()


def test_a_saved_plan_does_the_same_elsewhere(saved, elsewhere, nowhere, capsys):
    there = elsewhere()
    assert run("apply", "--plan", saved, "--yes", "--timeout", "20") == 0
    out = capsys.readouterr().out
    assert "+ terraform_data.machine" in out and "Plan: 1 to create." in out and "The cluster is ready." in out
    assert "VALUE" in state(there) and run("plan", "--detailed-exitcode") == 0


def test_a_saved_plan_brings_the_versions_of_its_providers(saved, home, tmp_path):
    """Else Terraform takes the newest, and refuses the plan; what a folder has chosen already stays."""
    plan = replace(saved_plan.read(saved), providers=b"# chosen\n")
    for name in ("fresh", "other"):
        (tmp_path / name).mkdir()
    chosen = tmp_path / "other" / ".terraform.lock.hcl"
    chosen.write_bytes(b"# another\n")
    for name in ("fresh", "other"):
        saved_plan.install_providers(plan, tmp_path / name)
    assert (tmp_path / "fresh" / ".terraform.lock.hcl").read_bytes() == b"# chosen\n"
    assert chosen.read_bytes() == b"# another\n"


def test_apply_takes_the_providers_of_the_plan_before_it_opens_the_state(saved, elsewhere, nowhere, monkeypatch):
    there, seen = elsewhere(), []
    chosen, initialise = there / ".anywhere" / "quickstart-local" / ".terraform.lock.hcl", planning.initialise
    read = saved_plan.read
    monkeypatch.setattr(saved_plan, "read", lambda path: replace(read(path), providers=b"# chosen\n"))
    monkeypatch.setattr(planning, "initialise", lambda *given: (seen.append(chosen.read_bytes()), initialise(*given)))
    assert run("apply", "--plan", saved, "--yes", "--timeout", "20") == 0
    assert seen == [b"# chosen\n"]


def test_what_was_saved_is_applied_and_nothing_planned_since(saved, nowhere, home, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run("apply", "--plan", saved) == 1  # shown, and nobody agrees
    assert "Nothing was changed" in capsys.readouterr().err
    assert run("apply", "--plan", saved, "--yes", "--timeout", "20") == 0
    assert run("apply", "--plan", saved, "--yes", "--timeout", "20") == 1
    assert "saved.plan is out of date: the state changed after it was made." in capsys.readouterr().err


MOVED = {
    "the definition": lambda home: (home / "cluster.yaml").write_text(DEFINITION + "# a remark\n"),
    "the lock": lambda home: (home / "cluster.lock.yaml").open("a").write("# a remark\n"),
}


@pytest.mark.parametrize("what", MOVED)
def test_a_plan_is_refused_where_its_inputs_moved(saved, home, what, capsys):
    MOVED[what](home)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert run("apply", "--plan", saved, "--yes") == 1
    assert f"saved.plan is out of date: {what} changed after it was made." in capsys.readouterr().err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_plan_is_refused_where_what_is_rendered_moved(saved, nowhere, home, capsys):
    nowhere.main += "# another version of anywhere\n"
    assert run("apply", "--plan", saved, "--yes") == 1
    moved = "the cluster's secrets, a file that the definition names, or the version of anywhere changed after"
    assert moved in capsys.readouterr().err
    assert not (home / ".anywhere" / "quickstart-local" / "terraform.tfstate").exists()


def test_a_plan_for_another_cluster_or_cache_is_refused(saved, home, monkeypatch, capsys):
    (home / "cluster.yaml").write_text(DEFINITION.replace("quickstart", "other"))
    assert run("apply", "--plan", saved, "--yes") == 1
    assert "is a plan for cluster quickstart on local, not for other on local" in capsys.readouterr().err
    (home / "cluster.yaml").write_text(DEFINITION)
    monkeypatch.setenv("ANYWHERE_CACHE", str(home / "another"))
    assert run("apply", "--plan", saved, "--yes") == 1
    assert f"Set ANYWHERE_CACHE={home / 'cache'}" in capsys.readouterr().err


def test_a_saved_plan_is_private_and_has_no_secret(saved, definition):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    with zipfile.ZipFile(saved) as archive:
        assert json.loads(archive.read("origin.json"))["cluster"] == "quickstart"
    secrets = store.read(definition, "quickstart").targets["local"]
    outer = secrets_scan.opened("saved.plan", saved.read_bytes())
    members = {name: data for member in outer.items() for name, data in secrets_scan.opened(*member).items()}
    assert "saved.plan/terraform.tfplan/tfplan" in members  # Terraform's plan is an archive as well
    assert secrets_scan.shown(secrets, members) == set()


def test_only_a_saved_plan_is_replaced_or_applied(saved, home, capsys):
    assert run("plan", "--save", saved) == 0
    before = (home / "cluster.yaml").read_bytes()
    assert run("plan", "--save", "cluster.yaml") == 1
    assert "cluster.yaml is there, and it is not a saved plan" in capsys.readouterr().err
    assert run("apply", "--plan", "cluster.yaml", "--yes") == 1
    assert "cluster.yaml is not a saved plan" in capsys.readouterr().err
    assert (home / "cluster.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("place", "said"),
    [("absent/plan", "there is no folder absent"), (".", "is a folder"), ("cluster.yaml", "is there")],
)
def test_where_a_plan_cannot_be_saved_is_said_before_anything_is_planned(nowhere, home, place, said, capsys):
    assert run("plan", "--save", place) == 1
    printed = capsys.readouterr()
    assert f"error: --save: {said}" in printed.err.replace(f"{place} ", "") and "render" not in printed.err
    assert not (home / ".anywhere").exists()


def test_an_empty_file_may_become_a_plan(saved, home):
    """As `mktemp` makes one."""
    (home / "made").touch()
    assert run("plan", "--save", "made") == 0
    assert zipfile.is_zipfile(home / "made")


def test_a_plan_in_the_place_of_a_definition_is_told_how_it_is_applied(saved, capsys):
    assert run("apply", saved, "--yes") == 1
    assert "--plan PLAN" in capsys.readouterr().err
