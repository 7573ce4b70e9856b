"""A component's secrets: fetched once a version, and never another version than the release names."""

import hashlib
import json

import pytest
from agent import bundle
from agent.host import NodeError

FILES = {"ca.crt": "a certificate\n", "server.key": "a key\n"}


def version(files):
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """The keys that were asked for; what is served is `fetched.files`."""

    class Fetched(list):
        files = FILES

        def __call__(self, key):
            self.append(key)
            return json.dumps(self.files, sort_keys=True).encode()

    asked = Fetched()
    monkeypatch.setattr(bundle, "fetch", asked)
    monkeypatch.setattr(bundle, "KEPT", tmp_path / "secrets")
    return asked


def test_a_version_is_fetched_once_and_kept_for_root_alone(fetched, tmp_path):
    release = {"secrets": {"etcd": version(FILES)}}
    assert bundle.secrets(release, "etcd") == bundle.secrets(release, "etcd") == FILES
    assert fetched == ["secrets/etcd"]
    (kept,) = (tmp_path / "secrets").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_version_takes_the_place_of_the_old(fetched, tmp_path):
    bundle.secrets({"secrets": {"etcd": version(FILES)}}, "etcd")
    fetched.files = {**FILES, "server.key": "rotated\n"}
    assert bundle.secrets({"secrets": {"etcd": version(fetched.files)}}, "etcd")["server.key"] == "rotated\n"
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == [f"etcd-{version(fetched.files)}"]


def test_another_version_than_the_release_names_is_not_taken(fetched, tmp_path):
    """As where a store hands out yesterday's for a moment."""
    release = {"secrets": {"etcd": "0" * 12}}
    with pytest.raises(NodeError, match="secrets/etcd is not of version 000000000000 yet"):
        bundle.secrets(release, "etcd")
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("damage", ["", "{", "null"])
def test_a_damaged_copy_is_fetched_again(fetched, tmp_path, damage):
    release = {"secrets": {"etcd": version(FILES)}}
    bundle.secrets(release, "etcd")
    (kept,) = (tmp_path / "secrets").iterdir()
    kept.write_text(damage)
    assert bundle.secrets(release, "etcd") == FILES
    assert fetched == ["secrets/etcd"] * 2


def test_a_component_does_not_touch_one_whose_name_begins_alike(fetched, tmp_path):
    bundle.secrets({"secrets": {"kube-apiserver": version(FILES)}}, "kube-apiserver")
    fetched.files = {"x": "y"}
    bundle.secrets({"secrets": {"kube": version(fetched.files)}}, "kube")
    assert len(list((tmp_path / "secrets").iterdir())) == 2
