"""Secrets are in no state, plan, user-data, rendered file or printed word, whatever the command line is asked to do."""

import json
import zipfile

import pytest

from generator import cli
from tests import cloud_session
from tests.clouds import Cluster
from tests.secrets_scan import KUBECONFIG, opened, places, planted, shown, values

pytest_plugins = ["tests.offline.fixtures"]


@pytest.fixture(params=["aws", "gce"])
def session(request, tmp_path, monkeypatch, capfd):
    return cloud_session.make(tmp_path, request.param, monkeypatch, capfd)


@pytest.fixture
def stand_in(session, monkeypatch):
    """Point this process at the stand-ins for the session's target."""
    return lambda environment: cloud_session.use(session.target, environment, monkeypatch)


def test_nothing_shows_a_secret(session, stand_in, inventing_env):
    stand_in(inventing_env)
    assert session.run("apply", "--yes", "--timeout", "0") == 1  # what is only in a state is never Ready
    assert "is not Ready" in session.said.decode()
    assert (session.folder / "terraform.tfstate").exists() and (session.folder / KUBECONFIG).exists()
    session.definition.write_text(
        session.definition.read_text().replace("count: 3, size: medium", "count: 4, size: large")
    )
    saved = session.definition.with_name("saved.plan")
    assert session.run("plan", "--json", "--save", str(saved)) == 0
    with zipfile.ZipFile(saved) as archive:
        (session.folder / "anywhere.tfplan").write_bytes(archive.read("terraform.tfplan"))
    secrets = session.secrets()
    plan = Cluster(session.folder, dict(inventing_env)).show("anywhere.tfplan")
    seen = places(session) | {"plan": json.dumps(plan).encode()} | opened("saved.plan", saved.read_bytes())
    assert len(values(secrets)) > 15
    assert any(name.startswith("anywhere.tfplan/") for name in seen)
    assert any(name.startswith("user-data/") for name in seen)
    assert shown(secrets, seen) == set()
    assert session.run("destroy", "--yes") in (0, 1)
    assert shown(secrets, places(session)) == set()


def test_a_failure_shows_no_secret(session, stand_in, offline_env):
    stand_in(offline_env)
    assert session.run("apply", "--yes", "--timeout", "0") == 1
    assert "Terraform failed" in session.said.decode()
    assert shown(session.secrets(), places(session)) == set()


def test_a_secret_that_is_there_is_found(session, stand_in, inventing_env):
    stand_in(inventing_env)
    words = ["secrets", "update", str(session.definition), "--provider", session.target]
    assert cli.run(words) == 0
    secrets = session.secrets()
    for name, secret in values(secrets).items():
        assert shown(secrets, planted(secret)) >= {(name, "plan/tfplan"), (name, "state"), (name, "kubeconfig")}
