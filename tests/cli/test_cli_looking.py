"""Verbs that only look, and an apply that is refused, leave definition, lock and secrets as they are, byte for byte."""

import io
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from generator import lock, pki, render, store
from generator.operations import keeping, lock_file
from generator.operations.cluster_secrets import UNMADE
from generator.schema import load
from generator.store import Store
from providers import Check
from tests.cli.target import pinned, run

BESIDE = ("cluster.yaml", "cluster.lock.yaml", "cluster.secrets.age")
LOOKING = [
    ("validate",),
    ("graph",),
    ("plan",),
    ("plan", "--json"),
    ("plan", "--save", "saved.plan"),
    ("render",),
    ("render", "--check"),
    ("status",),
    ("doctor",),
    ("env",),
    ("kubeconfig",),
    ("images", "list"),
    ("apply",),  # nobody is there to agree
]


@pytest.fixture
def described(nowhere, monkeypatch):
    """A target whose rendered folder says which versions the secret documents have; reads them there."""

    def tree(definition, lock, topology, target, secrets, *rest):
        versions = {name: entry["version"] for name, entry in secrets.items()}
        content = nowhere.main.replace("VALUE", json.dumps(versions).replace('"', ""))
        return {"machines.tf": content.encode(), "documents/secrets.json": json.dumps(versions).encode()}

    monkeypatch.setattr(render, "tree", tree)
    return lambda home: json.loads((home / ".anywhere/quickstart-local/documents/secrets.json").read_bytes())


def beside(home):
    return {name: (home / name).read_bytes() for name in BESIDE if (home / name).exists()}


def change(definition, **secrets):
    """Change the secrets of the target in its store."""

    def changed(found: Store) -> Store:
        return replace(found, targets={"local": replace(found.targets["local"], **secrets)})

    return store.update(definition, "quickstart", changed).targets["local"]


def aged(definition, days):
    """Have the bootstrap token be that old."""
    token = store.read(definition, "quickstart").targets["local"].token
    made = (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)
    return change(definition, token=replace(token, made=made))


def expiring(definition):
    """Have every certificate of a component be near its end."""
    services = load(definition).network.services
    secrets = store.read(definition, "quickstart").targets["local"]
    made = datetime.now(UTC) - timedelta(days=300)
    return change(definition, leaves=pki.reissue(secrets, secrets.leaves, made, services).leaves)


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_looking_writes_nothing(described, home, definition, words, monkeypatch):
    assert run("apply", "--yes", "--timeout", "20") == 0
    aged(definition, 30)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = beside(home)
    assert run(*words) == (1 if words in (("apply",), ("render", "--check")) else 0) or words[0] == "render"
    assert beside(home) == before


@pytest.mark.parametrize("words", [*LOOKING[1:3], ("render",), ("status",), ("doctor",), ("env",), ("apply",)])
@pytest.mark.parametrize("gone", [BESIDE[1:], BESIDE[2:]])
def test_looking_makes_nothing_of_a_new_cluster(nowhere, home, definition, words, gone, monkeypatch):
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))
    for name in gone:
        (home / name).unlink()
    monkeypatch.setattr(lock_file.image_cache, "resolve", lambda wanted, *rest: pinned(wanted))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = beside(home)
    run(*words)
    assert beside(home) == before


def test_an_apply_that_is_refused_writes_nothing(nowhere, home, definition, monkeypatch, capsys):
    aged(definition, 30)
    before = beside(home)
    unfit = Check("credentials", False, "There are none", "Sign in.", needed=True)
    monkeypatch.setattr(nowhere, "preflight", lambda *args: (unfit,), raising=False)
    assert run("apply", "--yes") == 1 and beside(home) == before


def test_a_token_that_aged_is_renewed_by_apply_alone_and_is_no_change(described, home, definition, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    token = aged(definition, 6).token
    assert run("apply", "--timeout", "20") == 0
    assert store.read(definition, "quickstart").targets["local"].token == token
    assert run("plan") == 0 and "bootstrap token" not in capsys.readouterr().out
    token, before = aged(definition, 8).token, described(home)
    assert run("plan", "--detailed-exitcode") == 0 and run("render") == 0 and described(home) == before
    assert "The bootstrap token is older than 7 days: apply replaces it, and kubelets" in capsys.readouterr().out
    assert run("plan", "--save", home / "saved.plan") == 0
    assert "a saved plan renews none: run `anywhere secrets update`" in capsys.readouterr().out
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert "To be written, and then committed" in capsys.readouterr().out
    assert store.read(definition, "quickstart").targets["local"].token != token
    changed = {name for name, version in described(home).items() if version != before[name]}
    assert changed == {"kubelet", "addons"}


def test_plan_says_what_expires_and_gives_it_no_version_of_chance(described, home, definition, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    expiring(definition)
    assert run("render") == 0
    as_they_are = described(home)
    assert UNMADE not in as_they_are.values()
    capsys.readouterr()
    assert run("plan") == 0
    assert "Apply makes or renews certificates and keys of: " in capsys.readouterr().out
    foreseen = described(home)
    assert foreseen["kube-scheduler"] == foreseen["etcd"] == UNMADE and foreseen["weave"] == as_they_are["weave"]
    assert run("plan") == 0 and described(home) == foreseen
    capsys.readouterr()
    assert run("plan", "--save", "saved.plan") == 0 and described(home) == as_they_are
    assert "run `anywhere secrets update`" in capsys.readouterr().out
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert UNMADE not in described(home).values() and run("plan", "--detailed-exitcode") == 0


def test_a_new_cluster_is_planned_without_secrets_and_gets_them_after_yes(described, home, definition, capsys):
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))
    (home / "cluster.secrets.age").unlink()
    assert run("plan") == 0
    assert "The cluster is new on this target: apply makes its keys and certificates." in capsys.readouterr().out
    assert set(described(home).values()) == {UNMADE} and not (home / "cluster.secrets.age").exists()
    run("apply", "--yes", "--timeout", "0")  # the API of the test has the keys of the old store
    assert "Commit both: cluster.secrets.age and cluster.lock.yaml." in capsys.readouterr().err
    found = store.read(definition, "quickstart")
    recorded = lock.read(path).secrets
    assert recorded.store == found.id and recorded.targets["local"].documents == described(home)
    assert recorded.targets["local"].authorities == pki.fingerprints(found.targets["local"])


def test_secrets_are_written_before_anything_is_applied_and_the_lock_comes_second(
    nowhere, home, definition, monkeypatch
):
    aged(definition, 30)
    before = beside(home)
    state = home / ".anywhere/quickstart-local/terraform.tfstate"
    called = []

    def write(path, content):
        called.append((path.name, state.exists(), beside(home)["cluster.secrets.age"] != before["cluster.secrets.age"]))

    monkeypatch.setattr(keeping.locks, "write", write)
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert called == [("cluster.lock.yaml", False, True)]


@pytest.mark.parametrize("what", ["lock", "secrets"])
def test_what_somebody_else_changed_meanwhile_is_not_overwritten(nowhere, home, definition, what, monkeypatch, capsys):
    aged(definition, 30)
    written = {}

    def asked(question, yes):
        if what == "secrets":
            aged(definition, 20)
        else:
            path = lock.path_beside(definition)
            lock.write(path, replace(lock.read(path), blocks={"general": 0, "other": 1}))
        written.update(beside(home))

    monkeypatch.setattr("generator.cli.approval.confirm", asked)
    assert run("apply", "--timeout", "20") == 1
    assert "changed by somebody else meanwhile" in capsys.readouterr().err
    assert beside(home) == written and not (home / ".anywhere/quickstart-local/terraform.tfstate").exists()


def test_render_check_names_what_is_stale_and_writes_nothing(nowhere, home, capsys):
    folder = home / "committed"
    assert run("render", "--out", folder) == 0 and run("render", "--check", "--out", folder) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    nowhere.main += "# newer\n"
    capsys.readouterr()
    assert run("render", "--check", "--out", folder) == 1
    assert capsys.readouterr().out == f"{folder / 'machines.tf'}\n"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert run("render", "--check", "--out", home / "never") == 1 and not (home / "never").exists()
