"""A registry in the cluster towards real containerd, by what the agent writes: images are pulled by their name."""

import json
import os
import shutil
import subprocess
import tarfile
import time
from types import SimpleNamespace

import pytest
from agent import bundle, node_certificates, registry

from benchmarks.rollout import programs
from generator.errors import UserError
from tests.running_registry import running
from tests.test_images import image

REFERENCE = "localhost:5443/team/app:1"


def unpack(folder):
    """containerd and its client out of their image."""
    with tarfile.open(programs.newest("containerd")) as outer:
        for layer in json.load(outer.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                inner.extractall(folder, filter="data")
    return folder / "bin"


@pytest.fixture
def containerd(tmp_path):
    """containerd of this computer's images; `ctr` is its client."""
    if os.geteuid():
        pytest.skip("containerd runs as root alone")
    try:
        found = unpack(tmp_path)
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")
    socket, log = tmp_path / "c.sock", tmp_path / "containerd.log"
    config = tmp_path / "config.toml"
    config.write_text('version = 3\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    places = [f"--root={tmp_path / 'root'}", f"--state={tmp_path / 'state'}", f"--address={socket}"]
    with log.open("wb") as out:
        process = subprocess.Popen([found / "containerd", f"--config={config}", *places], stdout=out, stderr=out)
    end = time.monotonic() + 60
    while not socket.exists():
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.1)
    yield SimpleNamespace(ctr=[str(found / "ctr"), f"--address={socket}", "--namespace=k8s.io"])
    process.terminate()
    process.wait()


@pytest.fixture
def pushed(tmp_path, monkeypatch):
    """A registry that has one image, and the folder of a machine's certificates and of containerd's registries."""
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with running(tmp_path / "registry") as made:
        made.have("alice", "secret")
        archive = image(tmp_path / "app.tar", "app:1")
        machine = made.identity(tmp_path / "machine", "system:nodes")
        target = ["--dest-creds=alice:secret", f"--dest-cert-dir={made.authority()}"]
        reference = f"docker://localhost:{made.port}/team/app:1"
        subprocess.run(["skopeo", "copy", "--quiet", *target, f"docker-archive:{archive}", reference], check=True)
        current = tmp_path / "kubelet-client-current.pem"  # a kubelet has both in one file
        current.write_text((machine / "client.cert").read_text() + (machine / "client.key").read_text())
        monkeypatch.setattr(node_certificates, "CLIENT", current)
        monkeypatch.setattr(registry, "CONTAINERD", tmp_path / "certs.d")
        monkeypatch.setattr(bundle, "secrets", lambda release, component: {"ca.crt": made.ca})
        registry.reach({"registries": {"localhost:5443": f"https://localhost:{made.port}"}})
        yield made


def fetch(containerd, tmp_path):
    """As containerd pulls for a pod."""
    command = [*containerd.ctr, "content", "fetch", f"--hosts-dir={tmp_path / 'certs.d'}", REFERENCE]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_an_image_is_pulled_by_the_name_that_it_was_pushed_by(containerd, pushed, tmp_path):
    fetched = fetch(containerd, tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    listed = subprocess.run([*containerd.ctr, "images", "list", "--quiet"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == [REFERENCE]


@pytest.mark.parametrize(
    ("lacking", "said"), [("cluster.crt", "unknown authority"), ("kubelet-client-current.pem", "authorization failed")]
)
def test_what_is_lacking_is_told(containerd, pushed, tmp_path, lacking, said):
    """The registry is believed by the cluster's authority alone, and believes nobody without a certificate."""
    hosts = tmp_path / "certs.d" / "localhost:5443" / "hosts.toml"
    hosts.write_text("".join(line for line in hosts.read_text().splitlines(True) if lacking not in line))
    refused = fetch(containerd, tmp_path)
    assert refused.returncode and said in refused.stderr, refused.stderr
