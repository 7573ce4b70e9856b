"""Images of own add-ons: from a folder of archives, or from a registry by digest, whose tags move."""

from dataclasses import replace

import pytest

from generator.errors import UserError
from generator.images import archive, cache, registry
from generator.images.catalog import Wanted
from generator.lock import Lock
from generator.progress import Silent
from tests import served_registry
from tests.test_images import image
from tests.test_registry import LOGIN, mirror, needs_skopeo

__all__ = ["mirror"]  # a fixture
NAME = "docker.io/team/app:1"
USER = "Deployment web in shop/web.yaml:1, of the add-on shop"


class Noted(Silent):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.fixture
def pushed(mirror, tmp_path, monkeypatch):
    """Has the registry serve other content under the tag; gives the id of that."""
    content = {}
    monkeypatch.setattr(served_registry.Registry, "do_GET", serving(content))

    def push(text):
        folder = tmp_path / f"pushed-{text}"
        made = image(folder / "app.tar", "team/app:1", text=text.encode())
        content.update(served_registry.contents(made, "k8s/team/app", "1", folder / "content"))
        return archive.read(made).id

    return push


def serving(content):
    got = served_registry.Registry.do_GET

    def do_get(self):
        self.content = {**type(self).content, **content}
        return got(self)

    return do_get


def wanted(mirror, **changes):
    return replace(Wanted(NAME, NAME, "registry", registry=mirror, user=USER), **changes)


def resolve(tmp_path, each, folder="none", progress=None):
    return cache.resolve([each], tmp_path / folder, tmp_path / "cache", progress or Silent())[each.name]


def locked(image):
    return Lock("v1.37.2", "flannel", {"amd64": {image.name: image}}, None, {}, {})


@needs_skopeo
def test_a_tag_that_moved_is_followed_when_it_is_locked_and_not_before(mirror, pushed, tmp_path):
    first = pushed("one")
    one = resolve(tmp_path, wanted(mirror))
    assert (one.id, one.ref, one.source) == (first, NAME, "registry") and one.digest.startswith("sha256:")
    assert resolve(tmp_path, wanted(mirror)) == one
    second = pushed("two")
    two = resolve(tmp_path, wanted(mirror))
    assert (two.id, one.id) == (second, first) and two.digest != one.digest
    elsewhere = tmp_path / "another computer"
    (path,) = cache.present(locked(one), tmp_path / "none", elsewhere, Silent(), mirror).values()
    assert archive.read(path).id == first


@needs_skopeo
def test_an_image_by_its_digest_is_pulled_by_that(mirror, pushed, tmp_path):
    pushed("one")
    digest = registry.identify(wanted(mirror))[0]
    pushed("two")
    name = f"docker.io/team/app:{digest.replace(':', '-')}"
    found = resolve(tmp_path, wanted(mirror, name=name, ref=name, digest=digest))
    assert (found.digest, found.ref) == (digest, name)
    assert archive.read(tmp_path / "cache" / "images" / f"{found.archive}.tar").refs == (name,)


@needs_skopeo
def test_an_image_that_cannot_be_had_is_told_with_who_asks_for_it(mirror, tmp_path):
    with pytest.raises(UserError, match=f"The image {NAME} cannot be had, which {USER} asks for: ") as caught:
        resolve(tmp_path, wanted(mirror))
    assert caught.value.hint.startswith("Correct the reference, or log in to its registry (`skopeo login HOST`). Or:")
    assert "ANYWHERE_IMAGES" in caught.value.hint and LOGIN.partition(":")[2] not in caught.value.message


@needs_skopeo
def test_without_its_registry_the_copy_in_the_cache_is_taken_and_that_is_said(mirror, pushed, tmp_path):
    pushed("one")
    one = resolve(tmp_path, wanted(mirror))
    progress = Noted()
    away = replace(mirror, mirror="localhost:1/k8s")
    found = resolve(tmp_path, wanted(away), progress=progress)
    assert (found.id, found.archive, found.digest) == (one.id, one.archive, "")
    assert progress.notes[-1].endswith(f"The copy of {NAME} in the cache is taken.")


def test_an_archive_in_the_folder_comes_first_whatever_its_short_name(tmp_path):
    made = image(tmp_path / "mine" / "app.tar", "team/app:1")
    found = resolve(tmp_path, wanted(None), "mine")
    assert (found.id, found.source, found.digest) == (archive.read(made).id, "folder", "")
    assert cache.present(locked(found), tmp_path / "mine", tmp_path / "other", Silent())
    with pytest.raises(UserError, match=r"none has no archive of it") as caught:
        cache.present(locked(found), tmp_path / "none", tmp_path / "third", Silent())
    assert "Put the archive that the lock was made with in the folder that ANYWHERE_IMAGES names." in caught.value.hint
