"""Images: fetched only where a runtime lacks them, and checked by content afterwards."""

from urllib.parse import quote

import pytest
from agent import images
from agent.host import NodeError

ID = f"sha256:{'1' * 64}"


def release(runtimes, registry=None):
    image = {"ref": "anywhere.local/etcd:v3", "id": ID, "archive": "a" * 64, "runtimes": runtimes}
    return {"registry": registry, "images": {"etcd": image}}


class Store(dict):
    """The engine's images: {reference: id}, kept in files so that the programs below can add to them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def __contains__(self, ref):
        return (self.folder / quote(ref, safe="")).exists()

    def __getitem__(self, ref):
        return (self.folder / quote(ref, safe="")).read_text()

    def __setitem__(self, ref, ident):
        (self.folder / quote(ref, safe="")).write_text(ident)


@pytest.fixture
def machine(tmp_path, engine, programs):
    """An engine, a containerd and a fetch, of which archives are the text `reference id`."""
    engine.images = Store(tmp_path / "images")
    pods = tmp_path / "pods"
    pods.touch()
    file = tmp_path / "images" / quote("anywhere.local/etcd:v3", safe="")
    programs.put("anywhere-fetch", f"printf '{ID}'")
    programs.put("docker", f'case $1 in load) cat >{file} ;; tag) printf "{ID}" >{file} ;; esac')
    programs.put(
        "ctr",
        f"case $3$4 in imagesls) cat {pods} ;; imagesimport) cat >>{pods}; echo >>{pods}; "
        f"echo anywhere.local/etcd:v3 >>{pods} ;; "
        f"imagestag) printf '{ID}\\nanywhere.local/etcd:v3\\n' >>{pods} ;; esac",
    )
    return programs


def test_what_is_lacking_is_fetched_once_a_runtime(machine):
    images.ensure(release(["docker", "containerd"]), ["etcd"])
    assert machine.runs().count(f"anywhere-fetch images/{'a' * 64}.tar") == 2
    assert "docker load --quiet" in machine.runs()


@pytest.mark.parametrize("runtimes", [["docker"], ["containerd"], ["docker", "containerd"]])
def test_what_is_there_is_not_fetched(machine, runtimes):
    images.ensure(release(runtimes), ["etcd"])
    before = len(machine.runs())
    images.ensure(release(runtimes), ["etcd"])
    assert not any(run.startswith("anywhere-fetch") for run in machine.runs()[before:])


def test_containerd_may_take_a_moment_to_know_what_it_imported(machine, tmp_path):
    pods, late = tmp_path / "pods", tmp_path / "late"
    machine.put(
        "ctr",
        f"case $3$4 in imagesls) cat {pods}; cat {late} >>{pods} 2>/dev/null ;; "
        f"imagesimport) cat >/dev/null; printf '{ID}\\nanywhere.local/etcd:v3\\n' >{late} ;; esac; exit 0",
    )
    images.ensure(release(["containerd"]), ["etcd"])
    assert machine.runs().count("ctr --namespace k8s.io images ls --quiet") == 3


def test_another_image_of_the_same_name_is_replaced(machine, engine):
    engine.images["anywhere.local/etcd:v3"] = f"sha256:{'0' * 64}"
    images.ensure(release(["docker"]), ["etcd"])
    assert engine.images["anywhere.local/etcd:v3"] == ID


@pytest.mark.parametrize("runtime", ["docker", "containerd"])
def test_an_archive_of_something_else_is_refused(machine, runtime, monkeypatch):
    monkeypatch.setattr(images, "CRI_SECONDS", -1)
    machine.put("anywhere-fetch", f"printf 'sha256:{'9' * 64}'")
    with pytest.raises(NodeError, match=f"is not {ID}"):
        images.ensure(release([runtime]), ["etcd"])


def test_a_fetch_that_fails(machine):
    machine.put("anywhere-fetch", "exit 22")
    with pytest.raises(NodeError, match="could not be fetched"):
        images.ensure(release(["docker"]), ["etcd"])


def test_a_load_that_fails_early_ends_the_fetch(machine):
    """The fetch has more to give than the pipe holds."""
    machine.put("anywhere-fetch", "exec cat /dev/zero")
    machine.put("docker", "echo no space left on device >&2; exit 1")
    with pytest.raises(NodeError, match="no space left on device"):
        images.ensure(release(["docker"]), ["etcd"])


def test_a_registry_stands_in_for_archives(machine):
    images.ensure(release(["docker", "containerd"], "registry.example.com/k8s"), ["etcd"])
    assert "docker pull --quiet registry.example.com/k8s/etcd:v3" in machine.runs()
    assert "docker tag registry.example.com/k8s/etcd:v3 anywhere.local/etcd:v3" in machine.runs()
    assert "ctr --namespace k8s.io images pull registry.example.com/k8s/etcd:v3" in machine.runs()
    assert not any(run.startswith("anywhere-fetch") for run in machine.runs())
