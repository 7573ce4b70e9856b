"""The store on disk: what is written, what refuses to be read, and what a crash leaves."""

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pyrage
import pytest

from generator import agekey, pki, store
from generator.errors import UserError
from generator.store import Pair, Phase, Rotation, Secrets, Store, Token

SECRETS = Secrets(
    "star-wars",
    authorities={"etcd": Pair("crt of a CA", "key of a CA")},
    leaves={"admin": Pair("crt ü", "key")},
    keys={"weave": "password"},
    token=Token("abc123", "0123456789abcdef", datetime(2026, 3, 2, 12, tzinfo=UTC)),
)
CONTENT = Store("star-wars", "0" * 32, {"local": SECRETS})


def having(**changes):
    """CONTENT with other secrets of its target."""
    return replace(CONTENT, targets={"local": replace(SECRETS, **changes)})


def content(definition):
    """What the store holds, whoever may open it."""
    return replace(store.read(definition, "star-wars"), recipients=())


@pytest.fixture(autouse=True)
def config(tmp_path, monkeypatch):
    monkeypatch.delenv("ANYWHERE_AGE_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture
def definition(tmp_path):
    path = tmp_path / "repository" / "cluster.yaml"
    path.parent.mkdir()
    path.touch()
    return path


@pytest.fixture
def saved(definition):
    store.update(definition, "star-wars", lambda _: CONTENT)
    return store.path_beside(definition)


@pytest.fixture
def key(config):
    return config / "anywhere" / "age.key"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_stands_beside_its_definition():
    assert store.path_beside(Path("a/cluster.yaml")) == Path("a/cluster.secrets.age")


def test_what_was_saved_is_read_back_by_another_process(definition, saved):
    program = (
        "import sys, pathlib; from generator import store;"
        "s = store.read(pathlib.Path(sys.argv[1]), 'star-wars').targets['local'];"
        "print(s.leaves['admin'].key, s.token.secret)"
    )
    done = subprocess.run([sys.executable, "-c", program, definition], capture_output=True, text=True, check=True)
    assert done.stdout == "key 0123456789abcdef\n"
    assert content(definition) == CONTENT


def test_a_whole_pki_survives_the_round_trip(definition):
    now = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)
    secrets = pki.ensure(Secrets("star-wars"), now, ip_network("10.96.0.0/16"))
    made = store.update(definition, "star-wars", lambda s: replace(s, targets={"gce": secrets}))
    assert store.read(definition, "star-wars") == made


def test_no_store_is_no_secrets_and_makes_no_key(definition, key):
    assert store.read(definition, "star-wars") == Store("star-wars")
    assert not key.exists() and not store.path_beside(definition).exists()


def test_it_is_armoured_and_private(saved):
    assert saved.read_bytes().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert mode(saved) == 0o600
    assert b"password" not in saved.read_bytes()
    assert [p.name for p in saved.parent.iterdir() if p != saved] == ["cluster.yaml"]


def test_its_content_is_documented_json(saved, key):
    identity = pyrage.x25519.Identity.from_str(key.read_text().splitlines()[-1])
    assert json.loads(pyrage.decrypt(saved.read_bytes(), [identity])) == {
        "apiVersion": "anywhere/v3",
        "cluster": "star-wars",
        "id": "0" * 32,
        "recipients": [str(identity.to_public())],
        "targets": {
            "local": {
                "authorities": {"etcd": {"crt": "crt of a CA", "key": "key of a CA"}},
                "leaves": {"admin": {"crt": "crt ü", "key": "key"}},
                "keys": {"weave": "password"},
                "bootstrap_token": {"id": "abc123", "secret": "0123456789abcdef", "made": "2026-03-02T12:00:00+00:00"},
                "rotation": None,
                "generation": 0,
                "encrypted": None,
            }
        },
    }


ROTATIONS = [
    Rotation("ca etcd", Phase.ISSUE, Pair("crt of the old CA", ""), "", datetime(2026, 3, 3, 12, tzinfo=UTC)),
    Rotation("encryption", Phase.TRUST, None, "key2:secret"),
]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_rotation_that_is_under_way_is_kept(definition, saved, rotation):
    secrets = having(rotation=rotation, generation=7, encrypted=datetime(2026, 3, 4, tzinfo=UTC))
    store.update(definition, "star-wars", lambda _: secrets)
    assert content(definition) == secrets
    assert "secret" not in repr(rotation)


def test_a_store_of_a_version_without_rotations_is_read(definition, saved, key):
    identity = pyrage.x25519.Identity.from_str(key.read_text().splitlines()[-1])
    known = json.loads(pyrage.decrypt(saved.read_bytes(), [identity])) | {"apiVersion": "anywhere/v2"}
    del known["targets"]["local"]["rotation"], known["targets"]["local"]["generation"]
    saved.write_bytes(pyrage.encrypt(json.dumps(known).encode(), [identity.to_public()], armored=True))
    assert content(definition) == CONTENT


def test_a_token_of_an_earlier_version_is_read(definition, saved, key):
    identity = pyrage.x25519.Identity.from_str(key.read_text().splitlines()[-1])
    content = json.loads(pyrage.decrypt(saved.read_bytes(), [identity]))
    token = content["targets"]["local"]["bootstrap_token"]
    token["expires"] = token.pop("made")
    saved.write_bytes(pyrage.encrypt(json.dumps(content).encode(), [identity.to_public()], armored=True))
    read = store.read(definition, "star-wars").targets["local"].token
    assert read == replace(SECRETS.token, made=datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")
def test_plain_age_opens_it(saved, key):
    done = subprocess.run(["age", "-d", "-i", key, saved], capture_output=True, check=True)
    assert json.loads(done.stdout)["cluster"] == "star-wars"


@pytest.mark.skipif(not shutil.which("age-keygen"), reason="age-keygen is not installed")
def test_age_keygen_understands_the_key_file(saved, key):
    done = subprocess.run(["age-keygen", "-y", key], capture_output=True, text=True, check=True)
    assert f"# public key: {done.stdout.strip()}" in key.read_text().splitlines()


def test_the_key_is_made_private_in_age_keygens_format(saved, key):
    created, public, secret = key.read_text().splitlines()
    identity = pyrage.x25519.Identity.from_str(secret)
    assert mode(key) == 0o600 and mode(key.parent) == 0o700
    assert datetime.fromisoformat(created.removeprefix("# created: ")).tzinfo
    assert public == f"# public key: {identity.to_public()}"
    assert list(key.parent.iterdir()) == [key]


def test_a_second_cluster_uses_the_same_key(saved, key, tmp_path):
    before = key.read_bytes()
    store.update(tmp_path / "other.yaml", "other", lambda s: replace(s, id="1" * 32))
    assert key.read_bytes() == before


def test_a_key_made_meanwhile_is_kept(config, key):
    agekey.load_or_make()
    before = key.read_bytes()
    agekey._make(key)
    assert key.read_bytes() == before and list(key.parent.iterdir()) == [key]


def test_what_is_unchanged_is_not_written(definition, saved):
    before = (saved.read_bytes(), saved.stat().st_mtime_ns, saved.stat().st_ino)
    store.update(definition, "star-wars", lambda secrets: secrets)
    store.update(definition, "star-wars", lambda _: having(keys={"weave": "password"}))
    assert content(definition) == CONTENT
    assert (saved.read_bytes(), saved.stat().st_mtime_ns, saved.stat().st_ino) == before


def test_a_change_is_written(definition, saved):
    changed = having(keys={"weave": "another"})
    store.update(definition, "star-wars", lambda _: changed)
    assert content(definition) == changed


@pytest.mark.parametrize("form", ["text", "file", "keygen text"])
def test_the_key_may_come_from_the_environment(definition, key, tmp_path, monkeypatch, form):
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "ci.key"
    file.write_text(f"# created: today\n{identity}\n")
    file.chmod(0o600)
    value = {"text": str(identity), "file": str(file), "keygen text": file.read_text()}[form]
    monkeypatch.setenv("ANYWHERE_AGE_KEY", value)
    store.update(definition, "star-wars", lambda _: CONTENT)
    assert content(definition) == CONTENT
    assert pyrage.decrypt(store.path_beside(definition).read_bytes(), [identity])
    assert not key.exists()


def refused(definition, *words):
    """The error of reading and of updating, which are the same; nothing is changed by either."""
    path = store.path_beside(definition)
    before = path.read_bytes()
    with pytest.raises(UserError) as reading:
        store.read(definition, "star-wars")
    with pytest.raises(UserError) as updating:
        store.update(definition, "star-wars", lambda _: having(keys={"weave": "lost"}))
    assert path.read_bytes() == before
    assert reading.value.message == updating.value.message and reading.value.hint
    for word in words:
        assert word in reading.value.message
    return reading.value


def test_another_key_is_refused(definition, saved, monkeypatch):
    other = str(pyrage.x25519.Identity.generate())
    monkeypatch.setenv("ANYWHERE_AGE_KEY", other)
    error = refused(definition, str(saved), "another age key", "ANYWHERE_AGE_KEY")
    assert other not in error.message + error.hint


def test_a_lost_key_is_not_replaced_by_a_new_one(definition, saved, key):
    key.unlink()
    refused(definition, str(key), "does not exist")
    assert not key.exists()


def flip(content, position):
    other = b"A" if content[position : position + 1] != b"A" else b"B"
    return content[:position] + other + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: b"",
        lambda c: b"hello\n",
        lambda c: c[: len(c) // 2],
        lambda c: flip(c, 120),
        lambda c: flip(c, len(c) // 2),
        lambda c: b"<<<<<<< HEAD\n" + c + b"=======\n" + c + b">>>>>>> theirs\n",
    ],
    ids=["empty", "other", "cut", "header", "payload", "merge conflict"],
)
def test_a_damaged_store_is_refused(definition, saved, damage):
    saved.write_bytes(damage(saved.read_bytes()))
    error = refused(definition, str(saved), "damaged")
    assert "git" in error.hint and "\n" not in error.message


@pytest.mark.parametrize(
    "plain",
    [
        b"secret",
        b"\xff",
        b"[]",
        b"{}",
        b'{"apiVersion": "anywhere/v1", "cluster": "star-wars", "authorities": {"secret": {"crt": 1}}}',
    ],
)
def test_a_store_of_something_else_is_refused_without_showing_it(definition, saved, key, plain):
    saved.write_bytes(store._encrypt(plain, agekey.public(agekey.load(saved))))
    error = refused(definition, str(saved), "damaged")
    assert "secret" not in error.message.replace(str(saved), "")


def test_a_store_of_a_later_version_is_refused(definition, saved):
    saved.write_bytes(store._encrypt(b'{"apiVersion": "anywhere/v9"}', agekey.public(agekey.load(saved))))
    refused(definition, "anywhere/v9", "anywhere/v3")


def test_the_store_of_another_cluster_is_refused(definition, saved):
    with pytest.raises(UserError, match="'star-wars', not of 'death-star'"):
        store.update(definition, "death-star", lambda s: replace(s, targets={}))
    assert content(definition) == CONTENT


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(definition, saved, key, bits):
    key.chmod(bits)
    error = refused(definition, str(key), f"{bits:04o}")
    assert error.hint == f"Run: chmod 600 {key}"


@pytest.mark.parametrize("content", [b"", b"# a comment alone\n", b"AGE-SECRET-KEY-1NONSENSE\n", b"\xff\xfe"])
def test_a_key_file_without_a_key_is_refused(definition, saved, key, content):
    key.write_bytes(content)
    error = refused(definition, str(key), "no valid age key")
    assert "NONSENSE" not in error.message + error.hint


def test_a_key_file_that_cannot_be_read_is_refused(definition, saved, key):
    key.unlink()
    key.mkdir()
    refused(definition, str(key), "cannot be read")


@pytest.mark.parametrize("value", ["AGE-SECRET-KEY-1NONSENSE", "/nowhere/age.key", "hunter2"])
def test_a_bad_key_in_the_environment_is_refused_and_not_shown(definition, saved, monkeypatch, value):
    monkeypatch.setenv("ANYWHERE_AGE_KEY", value)
    error = refused(definition, "ANYWHERE_AGE_KEY")
    assert value not in error.message + error.hint


def test_a_crash_before_the_rename_leaves_the_old_store(definition, saved):
    program = (
        "import os, sys, pathlib; from generator import store;"
        "pathlib.Path.replace = lambda *_: os._exit(9);"
        "store.update(pathlib.Path(sys.argv[1]), 'star-wars', lambda s: store.Store('star-wars'))"
    )
    before = saved.read_bytes()
    assert subprocess.run([sys.executable, "-c", program, definition]).returncode == 9
    assert saved.read_bytes() == before
    assert content(definition) == CONTENT

    changed = having(keys={})
    store.update(definition, "star-wars", lambda _: changed)
    assert content(definition) == changed
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cluster.secrets.age", "cluster.yaml"]


def test_a_full_disk_leaves_the_old_store_and_says_so(definition, saved, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device") as caught:
        store.update(definition, "star-wars", lambda _: Store("star-wars"))
    assert "untouched" in caught.value.hint
    assert saved.read_bytes() == before
    assert sorted(p.name for p in saved.parent.iterdir()) == ["cluster.secrets.age", "cluster.yaml"]


def test_an_error_in_the_change_writes_nothing(definition, saved):
    before = saved.read_bytes()
    with pytest.raises(ZeroDivisionError):
        store.update(definition, "star-wars", lambda _: 1 / 0)
    assert saved.read_bytes() == before


def test_a_store_behind_a_link_stays_behind_it(definition, saved, tmp_path):
    elsewhere = tmp_path / "elsewhere.age"
    saved.rename(elsewhere)
    saved.symlink_to(elsewhere)
    changed = having(keys={})
    store.update(definition, "star-wars", lambda _: changed)
    assert saved.is_symlink() and content(definition) == changed


def test_writers_take_turns(definition, saved):
    def add(name):
        store.update(definition, "star-wars", lambda s: having(keys={**s.targets["local"].keys, name: name}))

    names = [f"key{n}" for n in range(8)]
    threads = [threading.Thread(target=add, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(content(definition).targets["local"].keys) == {"weave", *names}


def test_a_writer_that_never_ends_is_named(definition, saved, monkeypatch):
    monkeypatch.setattr(store, "LOCK_SECONDS", 0.0)

    def inner(secrets):
        with pytest.raises(UserError, match="Another process"):
            store.update(definition, "star-wars", lambda s: s)
        return secrets

    store.update(definition, "star-wars", inner)


def test_a_folder_that_is_not_there_is_a_plain_error(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        store.update(tmp_path / "gone" / "cluster.yaml", "star-wars", lambda s: s)
