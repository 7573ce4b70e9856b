"""Role containers: every file a flag names is there, every image is pinned, every configuration reads as YAML."""

import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from generator import pki, release
from generator.components import PKI, containers
from generator.definition import SIZES
from generator.dns_names import API_URL
from generator.store import Secrets

NODE = Path(__file__).parent.parent / "modules" / "node"
CASES = tuple(golden.CASES)
CONFIGURATIONS = {
    "audit-policy.yaml": ("audit.k8s.io/v1", "Policy"),
    "admission.yaml": ("apiserver.config.k8s.io/v1", "AdmissionConfiguration"),
    "kubelet.yaml": ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"),
}
GIVEN_BY_THE_MACHINE = {"@NAME@", "@MEMBER@", "@NODE_IP@", "@LABELS@", "@TAINTS@", "@MAX_PODS@", "@CGROUP_V2@"}
GIVEN_BY_THE_MACHINE |= {"@INITIAL_CLUSTER@", "@CLUSTER_STATE@"}


@cache
def parts(case):
    definition, lock, machines = golden.load(case)
    return containers(machines, definition.network, lock.driver, release.dns_address(definition.network.services))


@cache
def documents():
    definition, _, _ = golden.load("ha")
    return pki.documents(pki.ensure(Secrets("ha"), datetime(2026, 1, 1, tzinfo=UTC), definition.network.services))


def flags(container):
    """Flag -> value."""
    return dict(word.removeprefix("--").split("=", 1) for word in container.command if word.startswith("--"))


@pytest.mark.parametrize("case", CASES)
def test_every_file_that_is_named_is_in_the_bundle(case):
    named = 0
    for container in parts(case).values():
        own = documents()[container.secrets] if container.secrets else {}
        bundle = (own.keys() - container.handed.keys()) | container.files.keys()
        assert not own.keys() & container.files.keys()
        for text in (*container.command, *container.files.values()):
            for component, name in re.findall(rf"{PKI}/([^/\s\"]+)/([^\s\",]+)", text):
                assert component == container.component == container.secrets
                assert name in bundle
                named += 1
    assert named > 40  # the pattern still finds them


@pytest.mark.parametrize("case", CASES)
def test_no_secret_is_given_that_nothing_reads(case):
    """What a component does not need it should not hold; these are for people who debug, or read by other ways."""
    agents = {"client-ca.crt", "serving-ca.crt"}  # what it judges a kubelet's certificates by
    spare = {"etcd": {"client.crt", "client.key"}, "kube-apiserver": {"server-ca.crt"}, "kubelet": agents}
    spare["kube-proxy"] = {"ca.crt", "bootstrap-kubeconfig", *agents}  # the kubelet's, to be started again with it
    for container in parts(case).values():
        text = "\n".join((*container.command, *container.files.values()))
        for name in documents().get(container.secrets, {}).keys() - spare.get(container.component, set()):
            handed = container.handed.get(name)
            assert (handed or f"{PKI}/{container.component}/{name}") in text


@pytest.mark.parametrize("case", CASES)
def test_what_is_handed_is_a_secret_that_a_mount_shows(case):
    for container in parts(case).values():
        for name, path in container.handed.items():
            assert name in documents()[container.secrets]
            assert path in flags(container).values() or container.component != container.secrets
        for path in flags(container).values():
            if path.startswith(("/var/", "/run/")):
                assert any(path.startswith(mount.split(":")[1]) for mount in container.mounts), path


@pytest.mark.parametrize("case", CASES)
def test_every_image_is_in_the_lock(case):
    lock = golden.load(case)[1]
    assert {container.image for container in parts(case).values()} <= lock.images["amd64"].keys()


@pytest.mark.parametrize("case", CASES)
def test_configurations_read_as_yaml(case):
    found = {name: text for container in parts(case).values() for name, text in container.files.items()}
    assert found.keys() == CONFIGURATIONS.keys()
    for name, text in found.items():
        content = YAML(typ="safe").load(text)
        assert (content["apiVersion"], content["kind"]) == CONFIGURATIONS[name]


@pytest.mark.parametrize("case", CASES)
def test_only_the_machine_s_own_values_are_left_open(case):
    for container in parts(case).values():
        words = (container.name, container.hostname, *container.command, *container.mounts, *container.files.values())
        assert set(re.findall(r"@\w+@", " ".join(words))) <= GIVEN_BY_THE_MACHINE


@pytest.mark.parametrize("case", CASES)
def test_every_component_of_every_machine_can_be_run(case):
    machines = golden.load(case)[2].machines
    assert {component for machine in machines for component in machine.components} == parts(case).keys()
    assert all(container.health for container in parts(case).values())


def test_no_flag_is_given_twice_and_none_is_empty():
    for container in parts("ha").values():
        given = [word.split("=")[0] for word in container.command if word.startswith("-")]
        assert len(given) == len(set(given))
        assert all("=" in word and not word.endswith("=") for word in container.command if word.startswith("--"))


def test_an_api_server_asks_the_members_by_name():
    apiserver = parts("star-wars")["kube-apiserver"]
    assert flags(apiserver)["etcd-servers"] == ",".join(f"https://etcd{n}.weave.local:2379" for n in (1, 2, 3))


def test_nodes_get_ranges_only_where_the_lock_chose_flannel():
    """The definition leaves the driver open in both."""
    for case, expected in (("quickstart", "false"), ("quickstart-flannel", "true")):
        assert golden.load(case)[0].network.driver is None
        assert flags(parts(case)["kube-controller-manager"])["allocate-node-cidrs"] == expected


@pytest.mark.parametrize(("case", "servers"), [("ha", "@MEMBER@"), ("quickstart", "@MEMBER@")])
def test_an_api_server_asks_the_member_on_its_own_machine(case, servers):
    assert flags(parts(case)["kube-apiserver"])["etcd-servers"] == f"https://{servers}.weave.local:2379"


@pytest.mark.parametrize("component", ["kube-controller-manager", "kube-scheduler"])
def test_a_single_master_elects_nobody_and_several_are_patient(component):
    election = {
        case: {name: value for name, value in flags(parts(case)[component]).items() if name.startswith("leader-elect")}
        for case in ("quickstart", "star-wars", "ha")
    }
    assert election["quickstart"] == election["star-wars"] == {"leader-elect": "false"}
    assert election["ha"] == {
        "leader-elect-lease-duration": "60s",
        "leader-elect-renew-deadline": "40s",
        "leader-elect-retry-period": "5s",
    }


@pytest.mark.parametrize("case", CASES)
def test_the_kernel_ends_every_pod_before_a_component(case):
    scores = {component: container.oom_score for component, container in parts(case).items()}
    nodes = {"kubelet": -999, "kube-proxy": -999}
    assert scores == {component: nodes.get(component, -997) for component in scores}


@pytest.mark.parametrize("case", CASES)
def test_etcd_and_the_api_server_come_before_whatever_waits_for_them(case):
    shares = {component: container.cpu_shares for component, container in parts(case).items()}
    assert {component for component, share in shares.items() if share > 1024} == {"etcd", "kube-apiserver"}


@pytest.mark.parametrize(("case", "role", "cpu", "memory"), [
    ("quickstart", "master", "800m", "1000Mi"), ("star-wars", "master", "700m", "900Mi"),
    ("star-wars", "worker", "150m", "300Mi"),
])  # fmt: skip
def test_the_kubelet_keeps_from_pods_what_the_components_of_its_machine_need(case, role, cpu, memory):
    definition, lock, machines = golden.load(case)
    content = json.loads(release.document(definition, lock, machines, "0" * 64, golden.secrets(machines)))
    kubelet = next(c for c in content["roles"][role]["containers"] if c["component"] == "kubelet")
    configuration = json.loads(kubelet["files"]["kubelet.yaml"])
    assert configuration["kubeReserved"] == {"cpu": cpu, "memory": memory}
    assert configuration["kind"] == "KubeletConfiguration"


def test_what_is_kept_leaves_pods_most_of_the_smallest_machine():
    worker = [parts("quickstart")[component] for component in ("kubelet", "kube-proxy")]
    assert sum(each.memory for each in worker) <= SIZES["tiny"].memory / 3
    master = parts("quickstart").values()
    assert sum(each.memory for each in master) <= SIZES["small"].memory / 2
    assert sum(each.cpu for each in master) <= SIZES["small"].cpus * 1000 / 2


def test_nobody_asks_without_being_known():
    for container in parts("ha").values():
        for flag, value in flags(container).items():
            assert not (flag == "anonymous-auth" and value == "true")
            assert not flag.startswith("insecure")
    kubelet = YAML(typ="safe").load(parts("ha")["kubelet"].files["kubelet.yaml"])
    assert kubelet["authentication"]["anonymous"]["enabled"] is False
    assert kubelet["authorization"]["mode"] == "Webhook"
    assert flags(parts("ha")["etcd"])["client-cert-auth"] == "true"
    assert flags(parts("ha")["etcd"])["peer-client-cert-auth"] == "true"


def test_the_kubeconfigs_lead_to_the_api():
    for component in ("kube-controller-manager", "kube-scheduler"):
        assert f"server: {API_URL}" in documents()[component]["kubeconfig"].replace('"', "")
    assert f"server: {API_URL}" in documents()["kubelet"]["bootstrap-kubeconfig"].replace('"', "")


def test_the_kubelet_reports_the_boot_that_a_machine_leaves_by():
    """In a container its own file would be that of the kernel, and the masters would take the machine for another."""
    leave = (NODE / "agent" / "leave.py").read_text()
    (file,) = re.findall(r'^BOOT = Path\("([^"]+)"\)', leave, re.MULTILINE)
    assert file.startswith("/proc/") and "/proc:/proc" in parts("quickstart")["kubelet"].mounts
