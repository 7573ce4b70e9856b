"""Add-on manifests: YAML that Kubernetes can read, of images that the lock pins, for either network."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from generator import addons, pki
from generator.components.node import KUBELET_MOUNTS
from generator.definition import Registry
from generator.store import Secrets

MODULES = Path(__file__).parent.parent / "modules"
DNS = "10.96.0.10"


def objects(case, lock=None):
    definition, known, _ = golden.load(case)
    groups = addons.manifests(definition, lock or known, DNS)
    return {
        group: [found for text in files.values() for found in YAML(typ="safe", pure=True).load_all(text)]
        for group, files in groups.items()
    }


def images(value):
    """Every `image` below `value`."""
    if isinstance(value, dict):
        yield from ([value["image"]] if "image" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from images(child)


@pytest.mark.parametrize("case", golden.CASES)
def test_every_object_says_what_it_is(case):
    for group, found in objects(case).items():
        assert found or group == "cluster"
        for item in found:
            assert item["apiVersion"] and item["kind"] and item["metadata"]["name"]
        identities = [(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace")) for item in found]
        assert len(identities) == len(set(identities))


def in_api(item):
    """The path of an object, as kubectl makes it out by asking the API."""
    root = "/api/v1" if item["apiVersion"] == "v1" else f"/apis/{item['apiVersion']}"
    namespace = item["metadata"].get("namespace")
    middle = f"namespaces/{namespace}/" if namespace else ""
    kind = item["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    return f"{root}/{middle}{plural}/{item['metadata']['name']}"


@pytest.mark.parametrize("case", golden.CASES)
def test_every_object_begins_with_its_path(case):
    """The agent applies it there."""
    definition, lock, _ = golden.load(case)
    secrets = pki.ensure(Secrets("star-wars"), datetime.now(UTC), definition.network.services, (), pki.Renewal.ALL)
    token = pki.documents(secrets)["addons"]["bootstrap-token.yaml"]
    files = [text for group in addons.manifests(definition, lock, DNS).values() for text in group.values()]
    for text in (part for file in (*files, token) for part in file.split("\n---\n")):
        assert text.partition("\n")[0] == f"# {in_api(YAML(typ='safe', pure=True).load(text))}"


@pytest.mark.parametrize("case", golden.CASES)
def test_images_are_the_locks_and_loaded_where_pods_run(case):
    lock = golden.load(case)[1]
    refs = {addons.pod_ref(lock, name) for name in lock.images["amd64"]}
    found = set(images(objects(case)["cluster"]))
    assert found and found <= refs


@pytest.mark.parametrize("case", golden.CASES)
def test_roles_that_are_bound_are_there(case):
    every = [item for found in objects(case).values() for item in found]
    own = {item["metadata"]["name"] for item in every if item["kind"] == "ClusterRole"}
    accounts = {item["metadata"]["name"] for item in every if item["kind"] == "ServiceAccount"}
    for binding in (item for item in every if item["kind"] == "ClusterRoleBinding"):
        name = binding["roleRef"]["name"]
        assert name in own or name.startswith("system:")
        assert all(s["name"] in accounts for s in binding["subjects"] if s["kind"] == "ServiceAccount")


@pytest.mark.parametrize(
    ("case", "kinds"), [("quickstart", {"kube-dns", "weave-npc"}), ("quickstart-flannel", {"kube-dns"})]
)
def test_each_network_has_its_own(case, kinds):
    workloads = {
        item["metadata"]["name"] for item in objects(case)["cluster"] if item["kind"] in ("Service", "DaemonSet")
    }
    assert workloads == kinds
    flannel = any(item["metadata"]["name"] == "anywhere:flannel" for item in objects(case)["bootstrap"])
    assert flannel is (case == "quickstart-flannel")


@pytest.mark.parametrize(
    ("case", "zones"), [("quickstart", ["weave.local:53", ".:53"]), ("quickstart-flannel", [".:53"])]
)
def test_weaves_names_are_asked_of_weave_and_all_others_of_the_machines_servers(case, zones):
    found = {(item["kind"], item["metadata"]["name"]): item for item in objects(case)["cluster"]}
    corefile = found["ConfigMap", "coredns"]["data"]["Corefile"]
    assert re.findall(r"^(\S+) {$", corefile, re.MULTILINE) == zones
    servers = dict(zip(zones, re.findall(r"forward \. (\S+)", corefile), strict=True))
    assert servers[".:53"] == "/etc/resolv.conf"
    pod = found["Deployment", "coredns"]["spec"]["template"]["spec"]
    assert pod["dnsPolicy"] == "Default"  # resolv.conf is that of the machine
    mounted = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    for zone in zones[:-1]:
        assert paths[mounted[servers[zone]]] == "/run/anywhere/weave-dns.conf"
    assert len(paths) == len(zones) - 1


def test_dns_is_an_add_on_that_can_be_left_out():
    definition, lock, _ = golden.load("quickstart")
    manifests = addons.manifests(replace(definition, addons=()), lock, DNS)
    assert "dns.yaml" not in manifests["cluster"]
    service = next(item for item in objects("quickstart")["cluster"] if item["kind"] == "Service")
    assert service["spec"]["clusterIP"] == DNS


@pytest.mark.parametrize(
    "ref", ["{a}", "[x]", "#", '"quoted', "a:b:'c", "${x}", "%{x}", "{{x}}", "`x`", "&a", "*a", "!x"]
)
def test_a_hostile_reference_stays_one_text(ref):
    lock = golden.load("quickstart")[1]
    same = {name: replace(image, ref=ref) for name, image in lock.images["amd64"].items()}
    lock = replace(lock, images={"amd64": same})
    digests = {lock.images["amd64"][name].id[7:19] for name in ("coredns", "weave-npc")}
    assert set(images(objects("quickstart", lock)["cluster"])) == {f"{ref}-{digest}" for digest in digests}


def test_another_content_is_another_image_to_pods():
    lock = golden.load("quickstart")[1]
    coredns = lock.images["amd64"]["coredns"]
    assert addons.pod_ref(lock, "coredns") == f"anywhere.local/{coredns.ref.rpartition('/')[2]}-{coredns.id[7:19]}"
    other = replace(coredns, id=f"sha256:{'9' * 64}")
    both = {"amd64": {"coredns": coredns}, "arm64": {"coredns": other}}
    names = {addons.pod_ref(replace(lock, images=each), "coredns") for each in (both, {"amd64": {"coredns": other}})}
    assert len(names) == 2 and addons.pod_ref(lock, "coredns") not in names
    assert all(re.fullmatch(r"anywhere\.local/coredns:[\w.-]{1,128}", name) for name in names)


@pytest.mark.parametrize(
    ("registry", "policy"), [(None, "Never"), (Registry("registry.example.com/k8s"), "IfNotPresent")]
)
def test_nobody_pulls_what_machines_are_handed(registry, policy):
    definition, lock, _ = golden.load("quickstart")
    texts = addons.manifests(replace(definition, registry=registry), lock, DNS)["cluster"]
    found = re.findall(r"imagePullPolicy: (\w+)", "".join(texts.values()))
    assert found == [policy] * 2


def host_paths(value):
    """Every `hostPath` below `value`."""
    if isinstance(value, dict):
        yield from ([value["hostPath"]] if "hostPath" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for child in value:
            yield from host_paths(child)


@pytest.mark.parametrize("case", golden.CASES)
def test_what_the_kubelet_is_to_check_on_the_machine_it_sees_in_its_container(case):
    seen = [mount.split(":")[0] for mount in KUBELET_MOUNTS]
    for found in objects(case).values():
        for path in (each["path"] for item in found for each in host_paths(item) if each.get("type")):
            assert any(path == mount or path.startswith(f"{mount}/") for mount in seen), path


def test_the_clusters_dns_reads_what_the_machine_writes_of_weavedns():
    names = (MODULES / "node" / "agent" / "network" / "weave" / "names.py").read_text()
    assert 'PODS = RUN / "weave-dns.conf"' in names
    dns = (item for item in objects("star-wars")["cluster"] if item["kind"] == "Deployment")
    assert [each["path"] for item in dns for each in host_paths(item)] == ["/run/anywhere/weave-dns.conf"]
