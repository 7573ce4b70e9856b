"""References of images, as people write them."""

import pytest

from generator.image_reference import canonical, image_name, is_from, is_reference, repository

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("ref", "full"),
    [
        ("rajchaudhuri/weave:2.9.0", "docker.io/rajchaudhuri/weave:2.9.0"),
        ("docker.io/rajchaudhuri/weave:2.9.0", "docker.io/rajchaudhuri/weave:2.9.0"),
        ("debian", "docker.io/library/debian:latest"),
        ("localhost/a:1", "localhost/a:1"),
        ("host:5000/a", "host:5000/a:latest"),
        ("anywhere.local/etcd:v3.6.6", "anywhere.local/etcd:v3.6.6"),
    ],
)
def test_references_in_full(ref, full):
    assert canonical(ref) == full


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("debian", "docker.io/library/debian:latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian:sha256-{'a' * 64}"),
        (f"host:5000/a/b:1@{DIGEST}", f"host:5000/a/b:sha256-{'a' * 64}"),
    ],
)
def test_what_the_lock_calls_an_image_by_has_a_tag_and_a_slash(ref, name):
    assert image_name(ref) == name


def test_a_repository_has_neither_a_tag_nor_a_digest():
    assert repository(f"host:5000/a/b:1@{DIGEST}") == repository("host:5000/a/b") == "host:5000/a/b"
    assert repository("registry/a:1") == "registry/a"  # a mirror may be called so


@pytest.mark.parametrize(
    "ref", ["a", "a:1", "a/b-c_d.e__f:V1.2-x", "host/a", "localhost:5443/a:1", f"a:1@{DIGEST}", "a:" + "1" * 115]
)
def test_references(ref):
    assert is_reference(ref)


@pytest.mark.parametrize(
    "ref", ["", "A", "a b", "a:", "a:1@sha256:12", "{{ a }}", "http://a/b", "a//b", "-a", "a:" + "1" * 116, "a\n"]
)
def test_what_is_no_reference(ref):
    assert not is_reference(ref)


def test_whose_an_image_is():
    assert is_from("localhost:5443/a:1", ["localhost:5443"])
    assert not is_from("localhost:54433/a:1", ["localhost:5443"]) and not is_from("a", [])
