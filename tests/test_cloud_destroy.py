"""Destroying a cluster on a cloud needs no secrets: the keys may be lost, or on another computer."""

import json
import shutil

import pytest

from tests import cloud_session, clouds

pytest_plugins = ["tests.aws_fixtures", "tests.gce_fixtures"]


@pytest.fixture(params=["aws", "gce"])
def target(request):
    return request.param


@pytest.fixture
def applied(target, request, tmp_path):
    """A cluster that was applied with its secrets, and Terraform's environment without them."""
    environment = request.getfixturevalue(f"{target}_environment")
    folder = clouds.write(tmp_path / "star-wars", target, "star-wars")
    clouds.Applied(folder, environment)
    return clouds.Cluster(folder, {name: v for name, v in environment.items() if name != "TF_VAR_secrets"})


def state(folder):
    return json.loads((folder / "terraform.tfstate").read_text())["resources"]


def test_plain_terraform_destroys_without_secrets(target, applied):
    override = clouds.MODULES / target / "unprotect_override.tf"
    shutil.copy(override, applied.folder)
    assert state(applied.folder)
    applied.terraform("destroy", "-auto-approve")
    assert state(applied.folder) == []


def test_plain_terraform_plans_nothing_without_secrets_and_says_how_to_get_them(target, applied):
    lines = applied.terraform("plan", "-no-color", fails=True).replace("│", " ")
    said = " ".join(lines.split())
    assert f'not given the secret kube-apiserver. Run: eval "$(anywhere env FILE --provider {target})"' in said


def test_the_command_destroys_where_the_age_key_is_lost(target, inventing_env, tmp_path, monkeypatch, capfd):
    session = cloud_session.make(tmp_path, target, monkeypatch, capfd)
    cloud_session.use(target, inventing_env, monkeypatch)
    assert session.run("apply", "--yes", "--timeout", "0") == 1  # what is only in a state is never Ready
    assert state(session.folder)
    shutil.rmtree(tmp_path / "config")  # where the age key is
    session.run("destroy", "--yes")
    assert state(session.folder) == []
    assert "warning" not in session.said.decode().partition("plan what to destroy")[2]
