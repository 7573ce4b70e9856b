"""The add-on registry: who may push and pull, what becomes of garbage, and what its pod may do."""

import re
import shutil
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from generator import addon_catalog
from generator.images import catalog, recipe
from tests.running_registry import NAME, manifest, running
from tests.test_images import image

ACCESS = Path(recipe.MODULES) / "images" / "registry" / "access.go"
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def pod():
    return manifest()["Deployment"]["spec"]["template"]["spec"]


def test_the_pod_may_do_no_more_than_it_must():
    spec = pod()
    assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["initContainers"], *spec["containers"]):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
        assert not security["allowPrivilegeEscalation"]
        assert container["resources"].keys() == {"requests", "limits"}
    assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {
        *("configMap", "secret", "persistentVolumeClaim"),
    }


def test_nobody_writes_to_what_is_collected():
    """The collector runs before anything serves, and the pod before it has ended by then."""
    deployment = manifest()["Deployment"]["spec"]
    assert deployment["strategy"] == {"type": "Recreate"} and deployment["replicas"] == 1
    (collector,) = pod()["initContainers"]
    assert collector["args"] == ["collect", "/var/lib/registry"]
    assert "cache" not in manifest()["ConfigMap"]["data"]["config.yml"]  # it would know of what is gone


def test_what_the_pod_reads_is_mounted():
    (container,) = pod()["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod()["volumes"]}
    text = manifest()["ConfigMap"]["data"]["config.yml"]
    for path in re.findall(r"/(?:etc|var)/[a-z/.]+", text):
        assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts.values())


def test_its_name_is_the_same_for_machines_certificates_and_the_pod():
    addon = addon_catalog.known()[NAME]
    host, _, port = addon.pulled_as.rpartition(":")
    (served,) = manifest()["Service"]["spec"]["ports"]
    assert str(served["port"]) == port and f"addr: :{port}\n" in manifest()["ConfigMap"]["data"]["config.yml"]
    address = manifest()["Service"]["spec"]["clusterIP"]
    services = IPv4Network("10.96.0.0/16")
    assert addon_catalog.registries((NAME,), services) == {addon.pulled_as: f"https://{address}:{port}"}
    assert addon_catalog.served((NAME,), services)[NAME] == (host, address)


def test_what_the_pod_runs_is_in_the_image():
    (wanted,) = (each for each in catalog.wanted("v1.37.2", "weave", addons=[NAME]) if each.name == NAME)
    made = recipe.recipe(wanted)
    assert made.config.entrypoint == ("/registry",) and made.programs.keys() == {"registry"}
    assert wanted.runtimes == ("containerd",) and not made.debian


@pytest.fixture
def registry(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with running(tmp_path / "registry") as made:
        made.have("alice", "secret")
        yield made


def skopeo(registry, action, *words, login="", certificates=None):
    """The outcome of a client that trusts the cluster's authority; a push is of a small image."""
    folder = registry.folder.parent
    side = {"push": "dest-", "pull": "src-"}.get(action, "")
    options = [
        f"--{side}cert-dir={certificates or registry.authority()}",
        *([f"--{side}creds={login}"] if login else []),
    ]
    reference = f"docker://localhost:{registry.port}/team/app:1"
    if action == "push":
        if not (archive := folder / "app.tar").exists():
            image(archive, "app:1")
        command = ["copy", "--quiet", *options, f"docker-archive:{archive}", reference]
    elif action == "pull":
        command = ["copy", "--quiet", *options, reference, f"dir:{folder / 'pulled'}"]
    else:
        command = [action, *options, *words, reference]
    return subprocess.run(["skopeo", *command], capture_output=True, text=True, check=False)


@needs_skopeo
def test_users_push_and_pull_with_a_password_of_their_own(registry):
    pushed = skopeo(registry, "push", login="alice:secret")
    assert pushed.returncode == 0, pushed.stderr
    assert skopeo(registry, "pull", login="alice:secret").returncode == 0
    registry.have("bob", "other")  # while it runs
    assert skopeo(registry, "pull", login="bob:other").returncode == 0
    (registry.folder / "etc" / "users" / "alice").unlink()
    gone = skopeo(registry, "pull", login="alice:secret")
    assert gone.returncode and "authentication required" in gone.stderr + gone.stdout


@needs_skopeo
@pytest.mark.parametrize("login", ["", "alice:wrong", "alice:", "bob:secret", "../users/alice:secret", "..data:"])
def test_nobody_else_does_anything(registry, login):
    (registry.folder / "etc" / "users" / "..data").write_text("")
    for action in ("push", "pull"):
        refused = skopeo(registry, action, login=login)
        assert refused.returncode and re.search("authentication required|unauthorized", refused.stderr), refused.stderr


@needs_skopeo
def test_machines_pull_with_the_certificates_of_their_kubelets(registry, tmp_path):
    assert skopeo(registry, "push", login="alice:secret").returncode == 0
    machine = registry.identity(tmp_path / "machine", "system:nodes")
    pulled = skopeo(registry, "pull", certificates=machine)
    assert pulled.returncode == 0, pulled.stderr
    for action in ("push", "delete"):
        refused = skopeo(registry, action, certificates=machine)
        assert refused.returncode and re.search("authentication required|unauthorized", refused.stderr), refused.stderr


@needs_skopeo
@pytest.mark.parametrize(
    ("name", "group", "authority"),
    [
        ("alice", "developers", "kubernetes"),
        ("system:node:a", "developers", "kubernetes"),
        ("alice", "system:nodes", "kubelet-client"),
        ("system:node:a", "system:nodes", "etcd"),
    ],
)
def test_other_certificates_are_nobodys(registry, tmp_path, name, group, authority):
    assert skopeo(registry, "push", login="alice:secret").returncode == 0
    other = registry.identity(tmp_path / "other", group, authority=authority, name=name)
    assert skopeo(registry, "pull", certificates=other).returncode


def blobs(registry):
    return sorted((registry.folder / "images").rglob("blobs/sha256/*/*/data"))


@needs_skopeo
def test_garbage_is_what_no_image_has_any_more(registry):
    """As its pod does with each start; a new volume is no error."""
    assert re.fullmatch(r"freed 0 bytes, kept 0\n", registry.collect())
    assert skopeo(registry, "push", login="alice:secret").returncode == 0
    there = blobs(registry)
    assert there and registry.collect().startswith("freed 0 bytes, kept ") and blobs(registry) == there
    deleted = skopeo(registry, "delete", login="alice:secret")
    assert deleted.returncode == 0, deleted.stderr
    assert blobs(registry) == there
    assert re.fullmatch(r"freed [1-9][0-9]+ bytes, kept \d+\n", registry.collect())
    assert blobs(registry) == []
    assert skopeo(registry, "push", login="alice:secret").returncode == 0 and blobs(registry)


def test_a_damaged_volume_is_no_reason_not_to_serve(registry):
    broken = registry.folder / "images" / "docker" / "registry" / "v2" / "repositories"
    broken.parent.mkdir(parents=True)
    broken.write_text("a file")
    assert registry.collect().startswith("failed: ")
