"""The store from the command line: missing, swapped, of the old form, without its key, and for several people."""

import json
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pyrage
import pytest

from generator import agekey, lock, pki, store
from generator.lock import PublicSecrets
from generator.operations import cluster_secrets, project
from generator.progress import Silent
from generator.store import Store
from tests.cli.target import DEFINITION, Nowhere, run

NEEDING = [("plan",), ("render",), ("render", "--check"), ("apply", "--yes"), ("env",), ("kubeconfig",)]


@pytest.fixture
def cluster(nowhere):
    """A cluster that was applied."""
    assert run("apply", "--yes", "--timeout", "20") == 0
    return nowhere


def content(home):
    """Every file beside the definition, by name."""
    return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}


def forget(definition):
    """Make the lock one that an earlier version wrote: it knows no store."""
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))


@pytest.mark.parametrize("verb", NEEDING, ids=" ".join)
@pytest.mark.parametrize("known", ["the lock", "the state"])
def test_a_store_that_is_missing_is_never_made_anew(cluster, home, definition, verb, known, capsys):
    if known == "the state":
        forget(definition)
    (home / "cluster.secrets.age").unlink()
    before = content(home)
    assert run(*verb) == 1 and content(home) == before
    err = capsys.readouterr().err
    assert "The secrets in cluster.secrets.age are missing" in err
    assert "hint: Restore the file with `git checkout HEAD -- cluster.secrets.age`, or from a backup." in err


@pytest.mark.parametrize("verb", NEEDING, ids=" ".join)
def test_a_definition_renamed_without_its_store_is_told_so(cluster, home, definition, verb, capsys):
    definition.rename(home / "prod.yaml")
    lock.path_beside(definition).rename(home / "prod.lock.yaml")
    before = content(home)
    assert run(verb[0], "prod.yaml", *verb[1:]) == 1 and content(home) == before
    err = capsys.readouterr().err
    assert "The secrets in prod.secrets.age are missing" in err
    command = "`mv cluster.secrets.age prod.secrets.age`"
    assert f"If the definition was renamed and they are in cluster.secrets.age: {command}." in err


@pytest.mark.parametrize("verb", [*NEEDING, ("secrets", "recrypt")], ids=" ".join)
@pytest.mark.parametrize("how", ["another store", "other keys"])
def test_another_store_is_refused(cluster, home, definition, verb, how, capsys):
    services = project.open_project(definition, "local", None).definition.network.services

    def other(found: Store) -> Store:
        if how == "another store":
            return replace(found, id="f" * 32)
        fresh = replace(found.targets["local"], authorities={}, leaves={})
        return replace(found, targets={"local": pki.ensure(fresh, datetime.now(UTC), services)})

    store.update(definition, "quickstart", other)
    before = content(home)
    assert run(*verb) == 1 and content(home) == before
    assert "cluster.secrets.age is not the store of this cluster: " in capsys.readouterr().err


def test_the_state_of_a_target_that_the_store_has_no_keys_of_stops_everything(cluster, home, definition, capsys):
    forget(definition)
    store.update(definition, "quickstart", lambda found: replace(found, targets={}))
    before = content(home)
    for verb in NEEDING:
        assert run(*verb) == 1
        assert "but cluster.secrets.age has no keys of local." in capsys.readouterr().err
    assert content(home) == before


def test_without_the_key_versions_are_those_of_the_lock(cluster, home, definition, monkeypatch, capsys):
    assert run("render") == 0
    for name, key in (("none", None), ("another", str(pyrage.x25519.Identity.generate()))):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / name))
        if key:
            monkeypatch.setenv("ANYWHERE_AGE_KEY", key)
        before = content(home)
        capsys.readouterr()
        for verb in (("plan", "--detailed-exitcode"), ("render",), ("render", "--check")):
            assert run(*verb) == 0
            assert "The versions of secrets are the lock's: " in capsys.readouterr().err
        for verb in (("apply", "--yes"), ("env",), ("kubeconfig",)):
            assert run(*verb) == 1
            assert "cluster.secrets.age" in capsys.readouterr().err
        assert content(home) == before


def test_without_the_key_and_without_versions_in_the_lock_nothing_is_guessed(cluster, home, definition, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "nobody"))
    path = lock.path_beside(definition)
    found = lock.read(path)
    lock.write(path, replace(found, secrets=replace(found.secrets, targets={})))
    opened = project.open_project(definition, "local", None)
    with pytest.raises(agekey.NoKey):
        cluster_secrets.look(opened, lock.read(path), Silent())


def test_where_the_lock_is_behind_the_store_wins(cluster, definition, capsys):
    path = lock.path_beside(definition)
    locked = lock.read(path)
    public = locked.secrets.targets["local"]
    behind = PublicSecrets(public.authorities, {**public.documents, "weave": "f" * 12})
    lock.write(path, replace(locked, secrets=replace(locked.secrets, targets={"local": behind})))
    assert run("apply", "--yes", "--timeout", "20") == 0 and lock.read(path) == locked


def test_a_saved_plan_takes_secrets_that_are_made(nowhere, home, definition, capsys):
    forget(definition)
    (home / "cluster.secrets.age").unlink()
    assert run("plan", "--save", "saved.plan") == 1
    assert "Make them: `anywhere secrets update`" in capsys.readouterr().err
    assert run("secrets", "update", "cluster.yaml") == 0 and run("plan", "--save", "saved.plan") == 0
    assert run("secrets", "update") == 0
    assert capsys.readouterr().out.endswith("Nothing was missing, and nothing is old.\n")


def elsewhere(monkeypatch, name):
    """Have the target be another one, whose cluster is not there."""
    target = Nowhere()
    target.name, target.main = name, 'resource "terraform_data" "machine" {}\n'
    monkeypatch.setattr(project, "load", lambda _: target)
    return target


def test_each_target_has_keys_of_its_own(cluster, home, definition, monkeypatch):
    elsewhere(monkeypatch, "gce")
    assert run("secrets", "update", "--provider", "gce") == 1  # the lock has no facts of it
    assert run("apply", "--yes", "--timeout", "0", "--provider", "gce") == 1  # no API there
    local, gce = (store.read(definition, "quickstart").targets[name] for name in ("local", "gce"))
    for one, other in ((local.authorities, gce.authorities), (local.leaves, gce.leaves), (local.keys, gce.keys)):
        assert one.keys() == other.keys() and not {str(v) for v in one.values()} & {str(v) for v in other.values()}
    assert local.token.secret != gce.token.secret
    recorded = lock.read(lock.path_beside(definition)).secrets.targets
    assert set(recorded) == {"local", "gce"}
    assert not set(recorded["local"].documents.values()) & set(recorded["gce"].documents.values())


def old_form(definition):
    """Write the store as versions before wrote it; the keys."""
    secrets = store.read(definition, "quickstart").targets["local"]
    content = asdict(secrets)
    token = content.pop("token")
    content |= {"apiVersion": "anywhere/v1", "bootstrap_token": {**token, "made": token["made"].isoformat()}}
    key = agekey.public(agekey.load(definition))
    store.path_beside(definition).write_bytes(store._encrypt(json.dumps(content).encode(), key))
    return secrets


def test_a_store_of_the_old_form_keeps_its_keys_where_the_lock_knows_the_target(cluster, home, definition, monkeypatch):
    keys = old_form(definition)
    forget(definition)
    before = content(home)
    assert run("plan", "--detailed-exitcode") == 0 and content(home) == before
    assert run("apply", "--yes", "--timeout", "20") == 0
    converted = store.read(definition, "quickstart")
    assert converted.targets == {"local": keys} and converted.id and converted.shared is None
    elsewhere(monkeypatch, "gce")
    run("apply", "--yes", "--timeout", "0", "--provider", "gce")
    targets = store.read(definition, "quickstart").targets
    assert targets["local"] == keys and targets["gce"].keys != keys.keys


def test_a_store_of_the_old_form_without_a_lock_keeps_its_keys_on_every_target(cluster, definition):
    keys = old_form(definition)
    lock.path_beside(definition).unlink()
    assert run("secrets", "recrypt") == 0
    assert store.read(definition, "quickstart").targets == dict.fromkeys(("local", "aws", "gce"), keys)


@pytest.fixture
def team():
    """The keys of two more people."""
    return [pyrage.x25519.Identity.generate() for _ in range(2)]


def opens(home, identity):
    try:
        return bool(pyrage.decrypt((home / "cluster.secrets.age").read_bytes(), [identity]))
    except pyrage.DecryptError:
        return False


def without_token(found):
    """A store that an apply must write."""
    return replace(found, targets={"local": replace(found.targets["local"], token=None)})


def test_every_write_is_for_all_recipients_and_the_own_key(cluster, home, definition, team, monkeypatch, capsys):
    monkeypatch.setenv("ANYWHERE_AGE_RECIPIENTS", f"{team[0].to_public()},\n{team[1].to_public()}")
    assert run("secrets", "recrypt") == 0
    assert all(opens(home, each) for each in team) and run("plan") == 0
    monkeypatch.delenv("ANYWHERE_AGE_RECIPIENTS")
    assert run("secrets", "update") == 0 and all(opens(home, each) for each in team)  # nothing changed
    store.update(definition, "quickstart", without_token)
    assert all(opens(home, each) for each in team)  # nobody is locked out by who does not know them
    capsys.readouterr()
    assert run("secrets", "recrypt") == 0 and not any(opens(home, each) for each in team)
    assert capsys.readouterr().out.count("age1") == 1


def listing(definition, *recipients):
    listed = ", ".join(str(each) for each in recipients)
    definition.write_text(DEFINITION + f"  access: {{age_recipients: [{listed}]}}\n")


def test_who_is_not_on_the_list_may_not_write(cluster, home, definition, team, capsys):
    store.update(definition, "quickstart", without_token)
    listing(definition, team[0].to_public())
    capsys.readouterr()
    before = content(home)
    for verb in (("apply", "--yes"), ("secrets", "recrypt")):
        assert run(*verb) == 1
        err = capsys.readouterr().err
        assert "is not among spec.access.age_recipients" in err and "hint: Add age1" in err
        assert "plan ..." not in err  # nobody is asked to agree first
    assert content(home) == before
    assert run("secrets", "key") == 0
    own = capsys.readouterr().out.strip()
    listing(definition, team[0].to_public(), own)
    assert run("apply", "--yes", "--timeout", "20") == 0 and opens(home, team[0])
    assert "can still be opened" not in capsys.readouterr().out
    listing(definition, own)
    for verb in (("plan",), ("apply", "--yes", "--timeout", "20")):
        assert run(*verb) == 0
        said = f"can still be opened by {team[0].to_public()}, which spec.access.age_recipients no longer lists."
        assert f"{said} To end that, run `anywhere secrets recrypt`." in capsys.readouterr().out
    assert run("secrets", "recrypt") == 0 and run("plan") == 0
    assert "can still be opened" not in capsys.readouterr().out


def test_a_computer_without_a_key_is_told_how_to_get_on_the_list(nowhere, home, definition, team, monkeypatch, capsys):
    listing(definition, team[0].to_public())
    forget(definition)
    (home / "cluster.secrets.age").unlink()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "fresh"))
    assert run("apply", "--yes") == 1
    assert "hint: Run `anywhere secrets key`" in capsys.readouterr().err
    assert not (home / "fresh").exists() and not (home / "cluster.secrets.age").exists()


def test_there_is_nothing_to_recrypt_without_a_store(definition, home, capsys):
    assert run("secrets", "recrypt") == 1
    said = capsys.readouterr().err
    assert "There are no secrets yet: cluster.secrets.age does not exist." in said and "`anywhere apply" in said
    assert not (home / "cluster.secrets.age").exists()


def test_a_lost_store_is_told_from_one_that_was_never_made(cluster, home, capsys):
    (home / "cluster.secrets.age").unlink()
    assert run("secrets", "recrypt") == 1
    assert "The secrets in cluster.secrets.age are missing" in capsys.readouterr().err


def test_a_checkout_without_the_state_works_with_the_store(cluster, home, definition):
    shutil.rmtree(home / ".anywhere")
    assert run("plan") == 0


DAMAGES = {
    "it is empty": b"",
    "it is no armoured age file": b"junk\n",
    "it has the markers of a merge conflict": b"<<<<<<< HEAD\n-----BEGIN AGE ENCRYPTED FILE-----\n=======\n",
}


@pytest.mark.parametrize("why", DAMAGES)
def test_doctor_and_status_name_a_damaged_store_beside_everything_else(cluster, home, capsys, why):
    (home / "cluster.secrets.age").write_bytes(DAMAGES[why])
    for verb in ("doctor", "status"):
        capsys.readouterr()
        assert run(verb) == 1
        out = capsys.readouterr().out
        assert f"cluster.secrets.age is damaged: {why}" in out and "master1" in out


def test_doctor_and_status_name_a_store_that_is_missing(cluster, home, capsys):
    (home / "cluster.secrets.age").unlink()
    for verb in ("doctor", "status"):
        capsys.readouterr()
        assert run(verb) == 1
        out = capsys.readouterr().out
        assert "cluster.secrets.age are missing" in out and "master1" in out


def test_doctor_warns_where_the_key_is_not_here(cluster, home, monkeypatch, capsys):
    assert run("doctor") == 0
    assert "cluster.secrets.age opens with the one in " in capsys.readouterr().out
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "another"))
    assert run("doctor") == 0
    assert "apply cannot go on: cluster.secrets.age is encrypted, and there is no key" in capsys.readouterr().out
    assert run("status") == 0


def test_what_git_is_to_bring_is_named_from_where_the_person_is(cluster, home, monkeypatch, capsys):
    (home / "cluster.secrets.age").unlink()
    assert run("plan") == 1
    assert "`git checkout HEAD -- cluster.secrets.age`" in capsys.readouterr().err
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    assert run("plan", "../cluster.yaml") == 1
    assert "`git -C .. checkout HEAD -- cluster.secrets.age`" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [*NEEDING[:-1], ("secrets", "recrypt")], ids=" ".join)
def test_in_a_fresh_checkout_the_lock_alone_tells_that_the_store_is_missing(cluster, home, verb, capsys):
    shutil.rmtree(home / ".anywhere")
    (home / "cluster.secrets.age").unlink()
    before = content(home)
    assert run(*verb) == 1 and content(home) == before
    said = capsys.readouterr().err
    assert "cluster.lock.yaml belongs to them (store " in said and "delete cluster.lock.yaml as well" in said
