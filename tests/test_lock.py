import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import HOSTILE
from test_topology import STAR_WARS

from generator import lock
from generator.errors import InvalidFile, UserError
from generator.lock import Base, Image, Lock, Packages, PublicSecrets, StoreRecord, Update, Updates

ETCD = Image("etcd", "anywhere.local/etcd:v3.6.6", f"sha256:{'a' * 64}", "b" * 64, 123, "build")
PAUSE = Image("pause", "anywhere.local/pause:3.10", f"sha256:{'c' * 64}", "d" * 64, 45, "folder")
LOCK = Lock(
    kubernetes="v1.37.2",
    driver="weave",
    images={"amd64": {"pause": PAUSE, "etcd": ETCD}, "arm64": {"pause": replace(PAUSE, size=46)}},
    base=Base("cloud-image", "e" * 64),
    blocks={"general": 0, "batch": 1},
    facts={"aws": {"zones": ["a", "b"], "number": 1.5, "none": None, "text": list(HOSTILE)}, "local": {"x": "1.35"}},
    packages={"arm64": Packages("f" * 64, 7)},
    updates={"amd64": Updates(Packages("9" * 64, 8), {"openssl": Update("3.5.4-1", "8" * 64)})},
    secrets=StoreRecord("0" * 32, {"aws": PublicSecrets({"etcd": "1" * 64}, {"weave": "0123456789ab"})}),
)

facts = st.dictionaries(
    st.text(max_size=9),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.sampled_from(HOSTILE),
        lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


@pytest.fixture
def path(tmp_path):
    return lock.path_beside(tmp_path / "cluster.yaml")


def test_it_stands_beside_the_definition():
    assert lock.path_beside(Path("a/cluster.yaml")) == Path("a/cluster.lock.yaml")


def test_what_is_written_is_read(path):
    lock.write(path, LOCK)
    assert lock.read(path) == LOCK
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(facts)
def test_facts_are_read_as_they_were_written(tmp_path_factory, found):
    path = tmp_path_factory.getbasetemp() / "facts.lock.yaml"
    written = replace(LOCK, facts={"aws": found})
    lock.write(path, written)
    assert lock.read(path) == written


def test_the_order_of_images_makes_no_difference(path):
    lock.write(path, LOCK)
    text = path.read_text()
    reordered = {"arm64": LOCK.images["arm64"], "amd64": {"etcd": ETCD, "pause": PAUSE}}
    lock.write(path, replace(LOCK, images=reordered, blocks={"batch": 1, "general": 0}))
    assert path.read_text() == text
    assert text.startswith("# What cluster.yaml is made of")


def test_a_write_that_fails_leaves_the_old_lock(path, monkeypatch):
    lock.write(path, LOCK)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        lock.write(path, replace(LOCK, driver="flannel"))
    assert lock.read(path) == LOCK
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_absent_lock_says_how_to_make_it(path):
    with pytest.raises(UserError, match="There is no lock") as caught:
        lock.read(path)
    assert caught.value.hint == "Make it: `anywhere images lock`."


def test_a_lock_of_a_version_that_has_ended_is_read(path):
    """A cluster that runs it must still be upgraded."""
    lock.write(path, replace(LOCK, kubernetes="v1.34.9"))
    assert lock.read(path).kubernetes == "v1.34.9"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("driver: weave", "driver: weeve", "driver", "did you mean weave"),
        ("driver: weave", "diver: weave", "diver", "did you mean driver"),
        ("size: 123", "size: '123'", "images.amd64.etcd.size", "whole number"),
        ("a" * 64, "a" * 63, "images.amd64.etcd.id", "wrong form"),
        ("batch: 1", "batch: 0", "blocks", "same block"),
        ("kubernetes: v1.37.2", "kubernetes: v1.37", "kubernetes", "not a Kubernetes version"),
        ("version: 3.5.4-1", "version: ''", "updates.amd64.packages.openssl.version", "1 character"),
        ("kind: Lock", "kind: Cluster", "kind", "should be Lock"),
    ],
)
def test_damage_is_named_with_its_line(path, old, new, where, what):
    lock.write(path, LOCK)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidFile) as caught:
        lock.read(path)
    problem = next(problem for problem in caught.value.problems if problem.path == where)
    assert what in problem.message + problem.hint
    line = text[: text.index("blocks:" if where == "blocks" else old)].count("\n") + 1
    assert problem.line == line


@given(st.integers(0, 1200))
def test_a_lock_cut_short_is_no_lock(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "cut.lock.yaml"
    lock.write(path, LOCK)
    data = path.read_bytes()
    path.write_bytes(data[: min(length, len(data) - 2)])
    with pytest.raises(InvalidFile):
        lock.read(path)


def test_a_lock_that_matches():
    lock.check(LOCK, STAR_WARS, LOCK.images["amd64"])
    lock.check(LOCK, replace(STAR_WARS, network=replace(STAR_WARS.network, driver="weave")), LOCK.images["amd64"])


def test_a_lock_that_does_not_match_says_all_that_differs():
    other = replace(STAR_WARS, kubernetes="v1.37.9", network=replace(STAR_WARS.network, driver="flannel"))
    with pytest.raises(UserError) as caught:
        lock.check(replace(LOCK, secrets=None), other, [*LOCK.images["amd64"], "ghost"])
    assert "v1.37.9" in caught.value.message
    assert "flannel" in caught.value.message
    assert "no image called ghost for amd64" in caught.value.message
    assert caught.value.hint == "Refresh the lock: `anywhere images lock`."


def test_another_driver_than_a_cluster_has_is_to_be_put_back():
    """`images lock` would refuse it."""
    other = replace(STAR_WARS, network=replace(STAR_WARS.network, driver="flannel"))
    with pytest.raises(UserError, match="the network driver is weave in the lock and flannel in") as caught:
        lock.check(LOCK, other, LOCK.images["amd64"])
    assert caught.value.hint.startswith("Put back driver: weave: ") and "images lock" not in caught.value.hint


def test_a_definition_of_an_older_version_is_told_of_the_way_back():
    with pytest.raises(UserError, match=r"v1\.37\.2 in the lock and v1\.36\.0") as caught:
        lock.check(LOCK, replace(STAR_WARS, kubernetes="v1.36.0"), LOCK.images["amd64"])
    assert caught.value.hint.startswith("Set spec.kubernetes.version back")
    assert caught.value.hint.endswith("run `anywhere images lock --allow-downgrade`.")


def test_a_lock_without_an_architecture_says_so():
    arm = replace(STAR_WARS, masters=replace(STAR_WARS.masters, arch="arm64"))
    with pytest.raises(UserError, match="no images for arm64"):
        lock.check(replace(LOCK, images={"amd64": LOCK.images["amd64"]}), arm, ["etcd", "pause"])
