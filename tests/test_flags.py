"""Every supported Kubernetes takes what its components are started with: flags, and the kubelet's configuration.

They are asked of hyperkube itself, of the newest patch whose image is in the cache; a minor version of which none was
ever built or fetched here is skipped.
"""

import io
import subprocess
import tarfile

import pytest

from generator import directories
from generator.components import containers
from generator.definition import NEWEST
from generator.images import cache, catalog
from generator.images.recipe import kubernetes_versions
from generator.progress import Silent
from tests import golden

# What a minor version takes and says not to, by component: the next one may have dropped it.
DEPRECATED = {minor: {"kubelet": {"--register-with-taints", "--max-pods"}} for minor in NEWEST}
FILLED = {"@NODE_IP@": "10.20.1.1", "@NAME@": "master1", "@MEMBER@": "etcd1", "@LABELS@": "a=b", "@CGROUP_V2@": "false"}
FILLED |= {"@MAX_PODS@": "110", "@INITIAL_CLUSTER@": "etcd1=https://etcd1.weave.local:2380", "@CLUSTER_STATE@": "new"}
FILLED["@TAINTS@"] = "node-role.kubernetes.io/control-plane=:NoSchedule"


@pytest.fixture(scope="module", params=NEWEST)
def hyperkube(request, tmp_path_factory):
    """A version and its program."""
    for version in reversed([known for known in kubernetes_versions() if known.startswith(f"v{request.param}.")]):
        (wanted, *_) = catalog.wanted(version, "flannel")
        if cache.held(wanted, directories.archives(), directories.cache()):
            (image,) = cache.resolve([wanted], directories.archives(), directories.cache(), Silent()).values()
            folder = tmp_path_factory.mktemp("hyperkube")
            unpack(directories.cache() / "images" / f"{image.archive}.tar", folder)
            return version, folder / "usr" / "local" / "bin" / "hyperkube"
    pytest.skip(f"there is no image of hyperkube {request.param} in the cache")


def unpack(archive, folder):
    """What is in /usr/local/bin of an image."""
    with tarfile.open(archive) as image:
        for layer in (member for member in image if member.name.endswith(".tar")):
            with tarfile.open(fileobj=io.BufferedReader(image.extractfile(layer))) as files:
                chosen = (file for file in files if file.name.startswith("usr/local/bin"))
                files.extractall(folder, chosen, filter="tar")


def parts(driver):
    definition, _, topology = golden.load("ha" if driver == "weave" else "quickstart-flannel")
    return containers(topology, definition.network, driver, "10.96.0.10")


def filled(text):
    for name, value in FILLED.items():
        text = text.replace(name, value)
    return text


@pytest.mark.parametrize("driver", ["weave", "flannel"])
@pytest.mark.parametrize(
    "component", ["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet"]
)
def test_a_component_takes_its_flags(hyperkube, component, driver):
    version, program = hyperkube
    _, *words = parts(driver)[component].command
    done = subprocess.run([program, *map(filled, words), "--version"], capture_output=True, text=True)
    assert done.stdout == f"Kubernetes {version}\n", done.stderr
    deprecated = {line.split()[1].removesuffix(",") for line in done.stderr.splitlines() if "deprecated" in line}
    assert deprecated == DEPRECATED[".".join(version[1:].split(".")[:2])].get(component, set())


def test_the_kubelet_knows_every_field_of_its_configuration(hyperkube, tmp_path):
    """It only warns of others. A setting that is wrong ends it once it has read the file."""
    _, program = hyperkube
    file = tmp_path / "kubelet.yaml"
    file.write_text(parts("flannel")["kubelet"].files["kubelet.yaml"])
    words = [f"--config={file}", "--fail-cgroupv1=false", "--max-pods=-1", f"--root-dir={tmp_path}"]
    done = subprocess.run([program, "kubelet", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "maxPods" in done.stderr
    assert "strict decoding" not in done.stderr
    assert done.stderr.count("invalid configuration") == 1
