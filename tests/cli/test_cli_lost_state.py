"""A cluster that is there while its state is not: nothing is planned beside it, and doctor says so."""

import json
import shutil
from dataclasses import replace

import pytest

from generator import lock
from generator.lock import path_beside
from tests.cli.target import run

FOUND = tuple(f"machine quickstart-{number}" for number in range(1, 8))
FOLDER = ".anywhere/quickstart-local"


@pytest.fixture
def lost(nowhere, home):
    """A cluster that was applied, in a checkout that git alone has made."""
    assert run("apply", "--yes", "--timeout", "20") == 0
    shutil.move(home / FOLDER / "terraform.tfstate", home / "kept")
    shutil.rmtree(home / ".anywhere")
    nowhere.there = FOUND
    return nowhere


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes", "--timeout", "20"), ("doctor",)])
def test_it_is_refused_until_the_state_is_brought(lost, home, verb, capsys):
    capsys.readouterr()
    assert run(*verb) == 1
    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert "Cluster quickstart is on local already (7 found: machine quickstart-1, machine quickstart-2," in said
    assert "and 2 more), but" in said and "has no Terraform state of it" in said
    assert f"Copy quickstart-local/terraform.tfstate from the computer that applied it to {home / FOLDER}" in said
    assert "Plan:" not in said and not (home / FOLDER / "terraform.tfstate").exists()
    (home / FOLDER).mkdir(parents=True, exist_ok=True)
    shutil.copy(home / "kept", home / FOLDER / "terraform.tfstate")
    status = run(*verb)
    assert status == 0 or "so are 7 things of quickstart" in capsys.readouterr().out


def test_no_keys_are_made_for_it_by_the_hint_of_a_saved_plan(lost, home, definition, monkeypatch, capsys):
    (home / "cluster.secrets.age").unlink()
    path = path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))
    assert run("secrets", "update") == 1
    said = "which has machine quickstart-1, machine quickstart-2, machine quickstart-3, machine quickstart-4, machine"
    assert f"Cluster quickstart is on local, {said} quickstart-5 and 2 more, but" in capsys.readouterr().err
    lost.there = ()
    monkeypatch.setattr(lost, "backend", lambda definition: {"s3": {"bucket": "b"}}, raising=False)
    monkeypatch.setattr(lost, "has_state", lambda definition: True, raising=False)
    assert run("secrets", "update") == 1
    assert "as the state in its backend says, but cluster.secrets.age has no keys of local." in capsys.readouterr().err
    assert not (home / "cluster.secrets.age").exists()


def test_status_says_so_where_apply_would_be_refused(lost, home, capsys):
    capsys.readouterr()
    assert run("status") == 1
    assert "Cluster quickstart is on local already (7 found: machine quickstart-1," in capsys.readouterr().out
    (home / FOLDER).mkdir(parents=True)
    shutil.copy(home / "kept", home / FOLDER / "terraform.tfstate")
    run("status")
    assert "is on local already" not in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"outputs": 1}', '{"resources": {}}'])
@pytest.mark.parametrize("verb", ["status", "doctor", "plan", "kubeconfig"])
def test_a_damaged_state_is_a_failure(lost, home, verb, content, capsys):
    lost.there = ()
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / "terraform.tfstate").write_text(content)
    capsys.readouterr()
    assert run(verb) == 1
    printed = capsys.readouterr()
    assert "terraform.tfstate is damaged: " in printed.out + printed.err


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_state_that_cannot_be_read_is_a_failure_among_others(lost, home, verb, capsys):
    lost.there = ()
    (home / FOLDER / "terraform.tfstate").mkdir(parents=True)
    assert run(verb) == 1
    assert "terraform.tfstate cannot be read: Is a directory" in capsys.readouterr().out


def test_what_is_null_in_a_state_is_not_there(lost, home):
    lost.there = ()
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / "terraform.tfstate").write_text('{"version": 4, "outputs": null, "resources": null}')
    assert run("plan") == 0


def test_doctor_calls_it_a_failure(lost, capsys):
    assert run("doctor", "--json") == 1
    checks = {check["subject"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["state"]["needed"] and not checks["state"]["ok"]


def test_an_empty_file_is_no_state(lost, home, capsys):
    (home / FOLDER).mkdir(parents=True)
    (home / FOLDER / "terraform.tfstate").touch()
    assert run("plan") == 1 and run("doctor") == 1


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes", "--timeout", "20"), ("doctor",)])
def test_the_state_of_an_earlier_life_is_none_of_what_is_there(lost, home, verb, capsys):
    """A destroy leaves a state without resources; the cluster was then applied from elsewhere."""
    (home / FOLDER).mkdir(parents=True)
    shutil.copy(home / "kept", home / FOLDER / "terraform.tfstate")
    assert run("destroy", "--yes") == 0 and (home / FOLDER / "terraform.tfstate").exists()
    assert run(*verb) == 1
    printed = capsys.readouterr()
    assert "has no Terraform state of it" in printed.out + printed.err
    lost.there = ()
    assert run(*verb) == 0 or "state:" not in capsys.readouterr().out


def test_an_apply_that_was_interrupted_continues(nowhere, home, capsys):
    works = nowhere.main
    nowhere.main += """
resource "terraform_data" "late" {
  depends_on = [terraform_data.machine]

  provisioner "local-exec" {
    command = "false"
  }
}
"""
    assert run("apply", "--yes", "--timeout", "20") == 1
    nowhere.there = FOUND
    nowhere.main = works
    assert run("apply", "--yes", "--timeout", "20") == 0


def test_a_remote_state_is_asked_for(lost, monkeypatch, capsys):
    monkeypatch.setattr(lost, "backend", lambda definition: {"s3": {"bucket": "b"}}, raising=False)
    assert run("doctor") == 1
    out = capsys.readouterr().out
    assert "but the backend has no Terraform state of it" in out and "Check that providers.local.backend names" in out
    monkeypatch.setattr(lost, "has_state", lambda definition: True, raising=False)
    run("doctor")
    assert "so are 7 things of quickstart" in capsys.readouterr().out
