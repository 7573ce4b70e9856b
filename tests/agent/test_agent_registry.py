"""A registry with a login and an authority of its own, of which a real client reads what the agent writes."""

import shutil
from hashlib import sha256

import pytest
from agent import bundle, registry

from generator import registry_login
from tests.test_registry import LOGIN, NAME, mirror  # noqa: F401


@pytest.fixture
def machine(tmp_path, programs, monkeypatch):
    """A machine whose `docker` is skopeo, with the same files."""
    monkeypatch.setattr(registry, "DOCKER", tmp_path / "docker")
    monkeypatch.setattr(registry, "CONTAINERD", tmp_path / "containerd")
    monkeypatch.setattr(registry, "RUN", tmp_path / "run")
    monkeypatch.setattr(bundle, "KEPT", tmp_path / "kept")
    return programs


def release(mirror, document):  # noqa: F811
    secrets = {"registry": sha256(document).hexdigest()[:12]} if document else {}
    return {"registry": mirror.mirror, "registry_ca": mirror.ca, "secrets": secrets}


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_an_image_is_pulled_with_the_login_and_the_authority(machine, mirror, tmp_path):  # noqa: F811
    from generator.operations.cluster_secrets import values

    login = registry_login.to(mirror)
    document = values({"registry": {"config.json": login.docker_config(), "salt": "0"}})["registry"].encode()
    (tmp_path / "document").write_bytes(document)
    machine.put("anywhere-fetch", f"cat {tmp_path}/document")
    skopeo = (
        f"exec {shutil.which('skopeo')} inspect --authfile $2/config.json --cert-dir {tmp_path}/docker/{mirror.host}"
    )
    machine.put("docker", f'stat -c %a $2/config.json >{tmp_path}/mode\n{skopeo} "docker://$5"')
    wanted = release(mirror, document)
    registry.trust(wanted)
    registry.pull(wanted, f"{mirror.host}/{NAME}:2.9.0")
    assert machine.runs()[0] == "anywhere-fetch secrets/registry"
    assert not any(LOGIN.partition(":")[2] in run for run in machine.runs())
    assert (tmp_path / "mode").read_text() == "600\n"
    assert list((tmp_path / "run").iterdir()) == []


def test_without_a_login_none_is_asked_for(machine, mirror):  # noqa: F811
    machine.put("docker")
    registry.pull(release(mirror, b""), "registry.example.com/a:1")
    assert machine.runs() == ["docker pull --quiet registry.example.com/a:1"]


def test_an_authority_goes_with_its_registry_and_others_stay(machine, mirror, tmp_path):  # noqa: F811
    theirs = tmp_path / "docker" / "theirs.example.com" / "ca.crt"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    registry.trust(release(mirror, b""))
    host = tmp_path / "containerd" / mirror.host
    assert {file.name for file in host.iterdir()} == {"anywhere.crt", "hosts.toml"}
    assert f'[host."https://{mirror.host}"]\n  ca = "{host}/anywhere.crt"\n' in (host / "hosts.toml").read_text()
    registry.trust({"registry": "registry.example.com:5000/k8s", "registry_ca": mirror.ca, "secrets": {}})
    assert list(host.iterdir()) == []
    assert (tmp_path / "docker" / "registry.example.com:5000" / "anywhere.crt").read_text() == mirror.ca
    registry.trust({"registry": None, "registry_ca": "", "secrets": {}})
    left = [
        path.relative_to(tmp_path) for folder in ("docker", "containerd") for path in (tmp_path / folder).rglob("*")
    ]
    assert [str(path) for path in left if (tmp_path / path).is_file()] == ["docker/theirs.example.com/ca.crt"]
