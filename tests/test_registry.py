"""A mirror with an authority of its own and a login, as real skopeo meets it: here, and with the files of machines."""

import os
import shutil
from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest

from generator import pki, registry_login
from generator.definition import Registry
from generator.errors import UserError
from generator.images import archive, cache, registry
from generator.images.catalog import Wanted
from generator.progress import Silent
from generator.store import Secrets
from tests import served_registry
from tests.test_images import image

REF, NAME, LOGIN = "docker.io/rajchaudhuri/weave:2.9.0", "k8s/rajchaudhuri/weave", "puller:s3cret word"
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A registry that has one image, and a person who may pull it."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(registry_login.USERNAME, LOGIN.partition(":")[0])
    monkeypatch.setenv(registry_login.PASSWORD, LOGIN.partition(":")[2])
    pushed = image(tmp_path / "pushed" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    content = served_registry.contents(pushed, NAME, "2.9.0", tmp_path / "content")
    with served_registry.serve(tmp_path / "registry", content, LOGIN) as host:
        yield Registry(f"{host}/k8s", (tmp_path / "registry" / "ca.crt").read_text(), login=True)


@needs_skopeo
def test_an_image_is_pulled_from_the_mirror(mirror, tmp_path):
    wanted = Wanted("weave", REF, "registry", registry=mirror)
    (found,) = cache.resolve([wanted], tmp_path / "none", tmp_path / "cache", Silent()).values()
    assert found.id == archive.read(tmp_path / "pushed" / "weave.tar").id
    assert found.ref == REF


@needs_skopeo
@pytest.mark.parametrize(
    ("lacking", "said"), [("ca", "certificate signed by unknown authority"), ("login", "authentication required|401")]
)
def test_what_is_lacking_is_told(mirror, lacking, said):
    without = Registry(mirror.mirror, "" if lacking == "ca" else mirror.ca, login=lacking != "login")
    with pytest.raises(UserError, match=said) as caught:
        registry.digest(Wanted("weave", f"127.0.0.1:1/{REF.partition('/')[2]}", "registry", registry=without))
    assert LOGIN.partition(":")[2] not in caught.value.message


@needs_skopeo
def test_no_password_is_in_a_list_of_processes_and_none_stays(mirror, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\necho "$@" >>{tmp_path}/words\nexec {shutil.which("skopeo")} "$@"\n'
    (tmp_path / "bin" / "skopeo").write_text(script)
    (tmp_path / "bin" / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    assert registry.has(Wanted("weave", REF, "registry", registry=mirror))
    words = (tmp_path / "words").read_text()
    assert "--authfile" in words and "s3cret" not in words
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_login_that_is_not_set_is_asked_for(mirror, monkeypatch):
    monkeypatch.delenv(registry_login.PASSWORD)
    with pytest.raises(UserError, match="which the environment lacks") as caught:
        registry_login.to(mirror)
    assert caught.value.hint.startswith("export ANYWHERE_REGISTRY_PASSWORD=....")


def test_the_version_of_a_login_tells_nothing_of_it_but_that_it_changed(mirror, monkeypatch):
    def version(secrets):
        return pki.version(pki.documents(secrets, registry_login.to(mirror))["registry"])

    one, other = (pki.ensure(Secrets("a"), datetime.now(UTC), IPv4Network("10.96.0.0/16")) for _ in range(2))
    first = version(one)
    assert version(one) == first != version(other)
    monkeypatch.setenv(registry_login.PASSWORD, "another")
    assert version(one) != first
