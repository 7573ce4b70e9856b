"""Registries in the cluster, as containerd is told of them: certificates in the place of a password."""

import tomllib

import pytest
from agent import bundle, images, node_certificates, registry

REGISTRIES = {"localhost:5443": "https://10.96.0.11:5443"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The folder of containerd's registries, on a machine whose kubelet trusts AUTHORITY."""
    monkeypatch.setattr(registry, "CONTAINERD", tmp_path)
    monkeypatch.setattr(registry, "DOCKER", tmp_path / "docker")
    monkeypatch.setattr(bundle, "secrets", lambda release, component: {"kubelet": {"ca.crt": "AUTHORITY"}}[component])
    return tmp_path


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_nobody_but_the_registry_is_asked_with_the_certificate_of_the_kubelet(machine):
    registry.reach({"registries": REGISTRIES})
    folder = machine / "localhost:5443"
    said = tomllib.loads((folder / "hosts.toml").read_text())
    assert said == {
        "server": "https://10.96.0.11:5443",
        "capabilities": ["pull", "resolve", "referrers"],
        "ca": str(folder / "cluster.crt"),
        "client": str(node_certificates.CLIENT),
    }
    assert (folder / "cluster.crt").read_text() == "AUTHORITY"


def test_a_registry_goes_with_its_add_on_and_others_stay(machine):
    theirs = machine / "theirs.example.com" / "hosts.toml"
    theirs.parent.mkdir()
    theirs.touch()
    registry.trust({"registry": "registry.example.com/k8s", "registry_ca": "MIRROR"})
    registry.reach({"registries": REGISTRIES})
    registry.trust({"registry": "registry.example.com/k8s", "registry_ca": "MIRROR"})  # with each pass
    assert "localhost:5443/hosts.toml" in files(machine)
    registry.reach({"registries": {}})
    kept = ["docker/registry.example.com/anywhere.crt"]
    kept += [f"registry.example.com/{name}" for name in ("anywhere.crt", "hosts.toml")]
    assert files(machine) == [*kept, "theirs.example.com/hosts.toml"]


def test_machines_without_pods_have_none(machine, monkeypatch):
    """The bundle of kubelets is not theirs to read."""
    monkeypatch.setattr(images.leftovers, "note", lambda images: None)
    images.ensure_for_pods({"registries": REGISTRIES, "images": {}}, [])
    assert files(machine) == []
