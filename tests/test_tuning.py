"""Flags and kubelet settings of a definition's own: which are taken, where they go, and which are refused."""

import json
from dataclasses import replace

import golden
import pytest
from ruamel.yaml import YAML
from strategies import write

from generator import release
from generator.components import containers
from generator.definition import Tuning
from generator.errors import InvalidFile
from generator.schema import kept_flags, load

# What anywhere sets, and a definition may set otherwise, since nothing else depends on it.
LEADERS = {"leader-elect-lease-duration", "leader-elect-renew-deadline", "leader-elect-retry-period"}
FREE = {
    "etcd": {"auto-compaction-retention"},
    "kube-apiserver": {
        *("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "enable-admission-plugins"),
        *("profiling", "shutdown-watch-termination-grace-period"),
    },
    "kube-controller-manager": {"cluster-signing-duration", "profiling", *LEADERS},
    "kube-scheduler": {"profiling", *LEADERS},
    "kubelet": set(),
    "kube-proxy": {"conntrack-max-per-core"},
}


def flags(command):
    return [word.removeprefix("--").partition("=")[::2] for word in command if word.startswith("--")]


@pytest.mark.parametrize("case", golden.CASES)
def test_what_anywhere_sets_is_kept_but_for_what_nothing_depends_on(case):
    definition, lock, machines = golden.load(case)
    made = containers(machines, definition.network, lock.driver, "10.96.0.10")
    assert made.keys() == kept_flags.FLAGS.keys() == FREE.keys()
    for name, container in made.items():
        free = {flag for flag, _ in flags(container.command) if not kept_flags.of_flag(name, flag)}
        assert free <= FREE[name]
    own = json.loads(made["kubelet"].files["kubelet.yaml"])
    fields = (*own, "kubeReserved", "maxPods")
    assert [field for field in fields if not kept_flags.of_kubelet_field(field)] == ["evictionHard"]


@pytest.mark.parametrize(
    ("component", "name"),
    [
        *((component, flag) for component, free in FREE.items() for flag in sorted(free)),
        *(("kube-apiserver", flag) for flag in ("max-requests-inflight", "runtime-config", "feature-gates", "v")),
        *(("kube-apiserver", flag) for flag in ("service-node-port-range", "event-ttl", "tls-min-version")),
        *(("etcd", flag) for flag in ("quota-backend-bytes", "heartbeat-interval", "snapshot-count", "log-level")),
        *(("kube-controller-manager", flag) for flag in ("node-monitor-grace-period", "concurrent-gc-syncs")),
        *(("kubelet", flag) for flag in ("maximum-dead-containers", "v")),
        *(("kube-scheduler", flag) for flag in ("kube-api-qps", "tls-cipher-suites")),
        *(("kube-proxy", flag) for flag in ("iptables-sync-period", "nodeport-addresses")),
    ],
)
def test_what_people_tune_is_free(component, name):
    assert kept_flags.of_flag(component, name) is None


def loaded(folder, **components):
    spec = {"workers": {"count": 1}, "components": {name.replace("_", "-"): said for name, said in components.items()}}
    content = {"apiVersion": "anywhere/v1", "kind": "Cluster", "metadata": {"name": "star-wars"}, "spec": spec}
    return load(write(folder / "cluster.yaml", content))


WRONG = [
    ("kube_apiserver", "etcd-servers", "decides where and how the cluster's data is kept"),
    ("kube_apiserver", "oidc-issuer-url", "decides whom the cluster trusts"),
    ("kube_apiserver", "anonymous-auth", "decides whether health checks are answered"),
    ("kube_apiserver", "secure-port", "decides where health checks and other components find it"),
    ("kube_apiserver", "disable-admission-plugins", "decides what nodes and pods may do"),
    ("kube_apiserver", "tracing-config-file", "the container has none of yours"),
    ("kube_controller_manager", "allocate-node-cidrs", "has to fit the cluster's networks"),
    ("kube_controller_manager", "leader-elect", "decides who leads"),
    ("kube_scheduler", "kubeconfig", "decides as whom it speaks to others"),
    ("kubelet", "max-pods", "is a field of its own"),
    ("kubelet", "node-labels", "is a field of its own"),
    ("kubelet", "kube-reserved", "is what the components of the machine need"),
    ("kube_proxy", "proxy-mode", "has to fit the cluster's networks"),
    ("kube_proxy", "cleanup", "has the component end instead of run"),
    ("etcd", "initial-cluster-state", "decides which members it has"),
    ("etcd", "force-new-cluster", "decides which members it has"),
    *(
        ("kube_apiserver", name, "is not the name of a flag")
        for name in ("--v", "etcd_servers", "a=b", "A", "", "a b", "a-", "${x}")
    ),
]


@pytest.mark.parametrize(("component", "flag", "said"), WRONG)
def test_a_flag_that_would_break_the_cluster_is_refused_where_it_stands(tmp_path, component, flag, said):
    with pytest.raises(InvalidFile) as refused:
        loaded(tmp_path, **{component: {"flags": {flag: "1"}}})
    (problem,) = refused.value.problems
    assert said in problem.message and problem.hint
    assert problem.path.startswith(f"spec.components.{component.replace('_', '-')}.flags")
    assert problem.line > 5


def test_every_refusal_is_said_at_once(tmp_path):
    with pytest.raises(InvalidFile) as refused:
        loaded(tmp_path, etcd={"flags": {"data-dir": "/x"}}, kubelet={"config": {"maxPods": 5, "port": 1}}, kubelt={})
    paths = {problem.path.removeprefix("spec.components.") for problem in refused.value.problems}
    assert paths == {"etcd.flags.data-dir", "kubelet.config.maxPods", "kubelet.config.port", "kubelt"}
    assert "did you mean kubelet?" in refused.value.message


@pytest.mark.parametrize(
    ("value", "text"), [("800", "800"), (800, "800"), (True, "true"), (False, "false"), ("a=b,c", "a=b,c")]
)
def test_whole_numbers_and_switches_need_no_quotes(tmp_path, value, text):
    found = loaded(tmp_path, kube_apiserver={"flags": {"x": value}}).tunings
    assert found == {"kube-apiserver": Tuning({"x": text})}


@pytest.mark.parametrize("value", [1.1, None, [], {}, "", "a\nb", "a\x00", "a b", "é", "`a`"])
def test_other_values_are_refused(tmp_path, value):
    with pytest.raises(InvalidFile, match=r"kube-apiserver\.flags\.x"):
        loaded(tmp_path, kube_apiserver={"flags": {"x": value}})


@pytest.mark.parametrize(
    ("field", "said"),
    [
        *(("clusterDNS", "fit the cluster's networks"), ("kubeReserved", "write systemReserved")),
        *(("authentication", "whom the cluster trusts"), ("kubeletCgroups", "the machine's own set-up")),
        *(("max-pods", "is not a field of KubeletConfiguration"), ("staticPodPath", "none of yours")),
    ],
)
def test_a_kubelet_setting_that_would_break_its_node_is_refused(tmp_path, field, said):
    with pytest.raises(InvalidFile, match=said):
        loaded(tmp_path, kubelet={"config": {field: "x"}})


def test_a_kubelet_setting_is_json(tmp_path):
    config = {"evictionHard": {"memory.available": "200Mi"}, "podPidsLimit": 1000, "x": [1, None, True, 1.5]}
    assert loaded(tmp_path, kubelet={"config": config}).tunings["kubelet"].config == config
    (tmp_path / "cluster.yaml").write_text((tmp_path / "cluster.yaml").read_text().replace("1.5", ".nan"))
    with pytest.raises(InvalidFile, match="JSON"):
        load(tmp_path / "cluster.yaml")


def test_images_that_are_in_no_registry_are_not_to_be_pulled_each_time(tmp_path):
    said = {"flags": {"enable-admission-plugins": "DenyServiceExternalIPs,AlwaysPullImages"}}
    with pytest.raises(InvalidFile, match="AlwaysPullImages would end the add-ons"):
        loaded(tmp_path, kube_apiserver=said)
    path = tmp_path / "cluster.yaml"
    content = json.loads(path.read_text())
    content["spec"]["registry"] = "registry.example.com/k8s"
    assert load(write(path, content)).tunings


def parts(tunings, role="master", **changes):
    """Component -> its container in the release."""
    definition, lock, machines = golden.load("star-wars")
    definition = replace(definition, tunings=tunings, **changes)
    content = json.loads(release.document(definition, lock, machines, "a" * 64, golden.secrets(machines)))
    return {part["component"]: part for part in content["roles"][role]["containers"]}, content


def test_a_new_flag_comes_last_and_one_of_anywhere_s_is_replaced_in_its_place():
    before = parts({})[0]["kube-apiserver"]["command"]
    tuning = Tuning({"profiling": "true", "max-requests-inflight": "800", "event-ttl": "2h"})
    found, _ = parts({"kube-apiserver": tuning})
    after = found["kube-apiserver"]["command"]
    assert after == [
        *("--profiling=true" if word == "--profiling=false" else word for word in before),
        *("--event-ttl=2h", "--max-requests-inflight=800"),
    ]
    assert [name for name, part in found.items() if part != parts({})[0][name]] == ["kube-apiserver"]


def test_admission_plugins_are_added_to_the_one_that_stays():
    found, _ = parts({"kube-apiserver": Tuning({"enable-admission-plugins": "AlwaysPullImages,NodeRestriction"})})
    assert "--enable-admission-plugins=NodeRestriction,AlwaysPullImages" in found["kube-apiserver"]["command"]


@pytest.mark.parametrize("role", ["master", "worker"])
def test_kubelet_settings_stand_beside_anywhere_s(role):
    before = json.loads(parts({}, role)[0]["kubelet"]["files"]["kubelet.yaml"])
    config = {"systemReserved": {"memory": "200Mi"}, "imageGCHighThresholdPercent": 80}
    found, _ = parts({"kubelet": Tuning(config=config)}, role)
    after = YAML(typ="safe").load(found["kubelet"]["files"]["kubelet.yaml"])
    assert after == before | config and after["kubeReserved"] == before["kubeReserved"]


def test_each_pool_takes_as_many_pods_as_it_says(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(
        "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: star-wars}\nspec:\n  masters: {max_pods: 20}\n"
        "  workers: [{name: one, count: 1, max_pods: 250}, {name: two, count: 1}]\n"
    )
    definition = load(path)
    groups = release.groups(definition)
    assert {name: group["max_pods"] for name, group in groups.items() if name != "etcd"} == {
        **{"master": 20, "worker-one": 250, "worker-two": 110}
    }
    for wrong in ("9", "251"):
        path.write_text(path.read_text().replace("max_pods: 250", f"max_pods: {wrong}"))
        with pytest.raises(InvalidFile, match="max_pods"):
            load(path)
        path.write_text(path.read_text().replace(f"max_pods: {wrong}", "max_pods: 250"))


def test_the_kubelet_is_told_by_its_machine():
    """All machines of a role have the same release, whichever pool they are of."""
    for role in ("master", "worker"):
        assert "--max-pods=@MAX_PODS@" in parts({}, role)[0]["kubelet"]["command"]
