"""The add-on storage: a class whose volumes kubelets see, and a provisioner that touches nothing else of a machine."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from generator import addons
from generator.components.node import KUBELET_MOUNTS
from generator.definition import Registry
from generator.images import catalog, recipe
from generator.lock import Image

IMAGE = "local-path-provisioner"
FOLDER = "/var/lib/anywhere/volumes"


def read(text):
    return YAML(typ="safe", pure=True).load_all(text)


def manifest(registry=None):
    """The objects of the add-on, by kind."""
    definition, lock, _ = golden.load("quickstart-flannel")
    definition = replace(definition, addons=("storage",), registry=registry)
    images = {IMAGE: Image(IMAGE, f"anywhere.local/{IMAGE}:v1", f"sha256:{'1' * 64}", "1" * 64, 1, "build")}
    made = addons.manifests(definition, replace(lock, images={"amd64": images}), "10.96.0.10")
    return {each["kind"]: each for each in read(made["cluster"]["storage.yaml"])}


def helper(registry=None):
    """The pod that makes and removes folders."""
    (pod,) = read(manifest(registry)["ConfigMap"]["data"]["helperPod.yaml"])
    return pod


def provisioner(registry=None):
    """The pod of the Deployment."""
    return manifest(registry)["Deployment"]["spec"]["template"]["spec"]


def options():
    """The options of the provisioner by name."""
    (container,) = provisioner()["containers"]
    return dict(argument.removeprefix("--").split("=") for argument in container["args"][1:])


def configuration():
    return json.loads(manifest()["ConfigMap"]["data"]["config.json"])


def test_claims_without_a_class_get_this_one_on_the_machine_of_their_pod():
    storage_class = manifest()["StorageClass"]
    assert storage_class["metadata"]["name"] == "standard"
    assert storage_class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer" and storage_class["reclaimPolicy"] == "Delete"
    assert storage_class["provisioner"] == options()["provisioner-name"]


def test_no_other_class_is_served():
    """One of somebody else could have the parameter pathPattern, and thereby any folder of a machine."""
    assert configuration()["storageClassConfigs"].keys() == {manifest()["StorageClass"]["metadata"]["name"]}
    assert "nodePathMap" not in configuration() and "parameters" not in manifest()["StorageClass"]


def test_kubelets_see_volumes_where_machines_have_them():
    """What a kubelet mounts for a pod, as for a subPath, it looks up in its own container."""
    (standard,) = configuration()["storageClassConfigs"].values()
    assert [node["paths"] for node in standard["nodePathMap"]] == [[FOLDER]]
    assert {"name": "VOLUMES", "value": FOLDER} in helper()["spec"]["containers"][0]["env"]
    assert f"{FOLDER}:{FOLDER}" in KUBELET_MOUNTS


def test_a_pod_does_not_start_on_an_empty_folder_in_the_place_of_its_volume():
    assert manifest()["StorageClass"]["metadata"]["annotations"]["defaultVolumeType"] == "local"


@pytest.mark.parametrize(
    ("registry", "policy"), [(None, "Never"), (Registry("registry.example.com/k8s"), "IfNotPresent")]
)
def test_both_pods_are_of_the_image_that_machines_have(registry, policy):
    containers = [*helper(registry)["spec"]["containers"], *provisioner(registry)["containers"]]
    assert {each["image"] for each in containers} == {f"anywhere.local/{IMAGE}:v1-{'1' * 12}"}
    assert {each["imagePullPolicy"] for each in containers} == {policy}


def test_what_pods_run_is_in_the_image():
    (wanted,) = (each for each in catalog.wanted("v1.37.2", "weave", addons=["storage"]) if each.name == IMAGE)
    made, configured = recipe.recipe(wanted), configuration()
    programs = {f"/{name}" for name in made.programs}
    assert {configured["setupCommand"], configured["teardownCommand"], *made.config.entrypoint} <= programs
    assert wanted.runtimes == ("containerd",) and not made.debian


def test_what_the_provisioner_reads_is_mounted():
    (container,) = provisioner()["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = provisioner()["volumes"]
    configured = manifest()["ConfigMap"]
    assert volume["configMap"]["name"] == configured["metadata"]["name"]
    files = {f"{mount['mountPath']}/{name}" for name in configured["data"]}
    assert {options()["config"], options()["helper-pod-file"]} == files
    assert {"name": "CONFIG_MOUNT_PATH", "value": mount["mountPath"]} in container["env"]


def test_what_the_provisioner_runs_as():
    (container,) = provisioner()["containers"]
    security = {**provisioner()["securityContext"], **container["securityContext"]}
    assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
    assert not security["allowPrivilegeEscalation"]
    assert manifest()["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def test_what_the_pod_on_a_machine_runs_as():
    """Root, as a volume has files of any user, but nothing more; the provisioner mounts the folder and nothing else."""
    spec = helper()["spec"]
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "FOWNER"]}
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False and options()["service-account-name"] == "default"
    assert not spec.keys() & {"volumes", "hostNetwork", "hostPID", "hostIPC"}
    assert container["name"] == "helper-pod"  # whose log the provisioner asks for
    assert "resources" not in container and spec["priorityClassName"] == "system-node-critical"


def test_the_provisioner_may_do_no_more_than_it_must():
    made = manifest()
    everywhere = {resource: rule["verbs"] for rule in made["ClusterRole"]["rules"] for resource in rule["resources"]}
    assert everywhere.keys() == {"nodes", "storageclasses", "persistentvolumeclaims", "persistentvolumes", "events"}
    assert everywhere["nodes"] == ["get"] and "delete" not in everywhere["persistentvolumeclaims"]
    beside = {resource: rule["verbs"] for rule in made["Role"]["rules"] for resource in rule["resources"]}
    assert beside == {"pods": ["get", "create", "delete"], "pods/log": ["get"]}
    assert made["Role"]["metadata"]["namespace"] == options()["namespace"]
    for binding in (made["ClusterRoleBinding"], made["RoleBinding"]):
        assert [each["name"] for each in binding["subjects"]] == [made["ServiceAccount"]["metadata"]["name"]]
    assert provisioner()["serviceAccountName"] == made["ServiceAccount"]["metadata"]["name"]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """What the pod on a machine runs; it needs no module but Go's own."""
    if not shutil.which("go"):
        pytest.skip("Go is not installed")
    folder = tmp_path_factory.mktemp("volume")
    shutil.copy(Path(recipe.MODULES) / "images" / IMAGE / "main.go", folder)
    built = subprocess.run(["go", "build", "-o", folder / "volume", folder / "main.go"], capture_output=True, text=True)
    if "is not in std" in built.stderr or "undefined" in built.stderr:
        pytest.skip(f"Go is too old: {built.stderr}")
    assert built.returncode == 0, built.stderr
    return folder / "volume"


@pytest.fixture
def volumes(tmp_path):
    folder = tmp_path / "volumes"
    folder.mkdir(mode=0o755)
    return folder


def run(program, volumes, path, action):
    """As the provisioner starts it."""
    command = [program, "-p", str(path), "-s", "5368709120", "-m", "Filesystem", "-a", action]
    return subprocess.run(command, env={"VOLUMES": str(volumes)}, umask=0o077, capture_output=True, text=True)


def test_a_volume_is_made_and_removed(program, volumes):
    volume = volumes / "pvc-1_default_data"
    for _ in range(2):  # the provisioner asks again where it did not hear the answer
        assert run(program, volumes, volume, "create").returncode == 0
    assert volume.stat().st_mode & 0o7777 == 0o777 and volumes.stat().st_mode & 0o7777 == 0o700
    (volume / "a").mkdir()
    (volume / "a" / "b").write_text("data")
    (volumes.parent / "outside").write_text("stays")
    (volume / "link").symlink_to(volumes.parent / "outside")
    for _ in range(2):
        assert run(program, volumes, volume, "delete").returncode == 0
    assert list(volumes.iterdir()) == [] and (volumes.parent / "outside").read_text() == "stays"


@pytest.mark.parametrize("action", ["create", "delete"])
@pytest.mark.parametrize("path", ["", ".", "..", "../other", "a/b", "a/../../other", "./a", "a/", "/etc"])
def test_no_other_folder_is_touched(program, volumes, action, path):
    other = volumes.parent / "other"
    other.mkdir()
    (volumes / "a" / "b").mkdir(parents=True)
    asked = path if path.startswith("/") else f"{volumes}/{path}"
    done = run(program, volumes, asked, action)
    assert done.returncode == 1 and "is no volume in" in done.stderr
    assert other.is_dir() and (volumes / "a" / "b").is_dir() and volumes.stat().st_mode & 0o777 == 0o755


def test_an_action_that_it_does_not_know(program, volumes):
    done = run(program, volumes, volumes / "a", "resize")
    assert done.returncode == 1 and '"resize" is neither create nor delete' in done.stderr
