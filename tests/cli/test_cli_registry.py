"""A registry that asks for a login, from the command line: it is asked for, and written nowhere."""

import json

import pytest

from generator import lock, registry_login, render
from generator.operations import lock_file
from generator.operations.cluster_secrets import UNMADE
from tests.cli.target import run

PASSWORD = "hunter2-and-more"
LOGIN = "  registry: {mirror: registry.example.com/k8s, login: true}\n"


@pytest.fixture
def versions(nowhere, home, monkeypatch):
    """The versions of secret documents, as the folder was rendered last."""
    tree = lambda *args: {"machines.tf": nowhere.main.encode(), "documents/secrets.json": json.dumps(args[4]).encode()}  # noqa: E731
    monkeypatch.setattr(render, "tree", tree)
    return lambda: json.loads((home / ".anywhere/quickstart-local/documents/secrets.json").read_bytes())


@pytest.fixture
def login(monkeypatch):
    monkeypatch.setenv(registry_login.USERNAME, "puller")
    monkeypatch.setenv(registry_login.PASSWORD, PASSWORD)


def test_a_login_that_is_not_set_stops_what_needs_it_before_anything_changes(nowhere, definition, home, capsys):
    definition.write_text(definition.read_text() + LOGIN)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for verb in (["plan", "--save", "p"], ["apply", "--yes"], ["images", "lock"], ["secrets", "update"], ["env"]):
        assert run(*verb) == 1
        said = capsys.readouterr().err
        assert "registry.example.com asks for a login (spec.registry.login), which the environment lacks." in said
        assert "hint: export ANYWHERE_REGISTRY_USERNAME=... ANYWHERE_REGISTRY_PASSWORD=..." in said
    after = {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file() and ".anywhere-lock" not in path.name
    }
    assert after == before


def test_apply_asks_for_the_login_before_it_makes_what_the_lock_lacks(nowhere, definition, monkeypatch, capsys):
    """That may take an hour."""
    definition.write_text(definition.read_text() + LOGIN)
    monkeypatch.setattr(lock_file, "resolve", lambda *_: pytest.fail("it was made"))
    assert run("apply", "--yes") == 1
    assert "asks for a login (spec.registry.login)" in capsys.readouterr().err


def test_who_only_looks_needs_no_login(versions, definition, login, monkeypatch, capsys):
    definition.write_text(definition.read_text() + LOGIN)
    assert run("apply", "--yes", "--timeout", "20") == 0
    applied = versions()
    recorded = lock.read(lock.path_beside(definition)).secrets.targets["local"].documents
    assert applied["registry"]["version"] == recorded["registry"] != UNMADE
    for verb in (
        ["plan", "--detailed-exitcode"],
        ["plan", "--save", "p"],
        ["render"],
        ["render", "--check"],
        ["status"],
    ):
        monkeypatch.delenv(registry_login.PASSWORD, raising=False)
        assert run(*verb) == 0 and versions() == applied
    monkeypatch.setenv(registry_login.PASSWORD, "another")
    assert run("plan") == 0 and versions()["registry"]["version"] not in (UNMADE, recorded["registry"])
    definition.write_text(definition.read_text().replace(LOGIN, ""))
    assert run("plan") == 0 and "registry" not in versions()


def test_a_login_that_was_never_given_is_foreseen(versions, definition, capsys):
    definition.write_text(definition.read_text() + LOGIN)
    assert run("plan") == 0 and versions()["registry"]["version"] == UNMADE
    assert "registry.example.com asks for a login" in capsys.readouterr().err


def test_the_password_is_in_no_file_and_reaches_terraform(nowhere, definition, home, login, capsys):
    definition.write_text(definition.read_text() + LOGIN)
    assert run("plan", "--save", str(home / "plan")) == 0
    assert run("apply", "--yes", "--timeout", "20") == 0
    capsys.readouterr()
    assert run("env") == 0
    said = capsys.readouterr().out
    assert registry_login.Login("registry.example.com", "puller", PASSWORD).docker_config()[12:60] in said.replace(
        "\\", ""
    )
    shown = (
        registry_login.Login("registry.example.com", "puller", PASSWORD).docker_config().rpartition(": ")[2].strip('"}')
    )
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if any(w.encode() in path.read_bytes() for w in (PASSWORD, shown))] == []


def test_without_the_login_no_other_network_is_chosen(nowhere, definition, capsys):
    """A registry that refuses would look as if it had no images of weave."""
    lock.path_beside(definition).unlink()
    (definition.parent / "cluster.secrets.age").unlink()
    definition.write_text(definition.read_text() + LOGIN)
    assert run("plan") == 1
    said = capsys.readouterr().err
    assert "asks for a login (spec.registry.login)" in said and "flannel" not in said
