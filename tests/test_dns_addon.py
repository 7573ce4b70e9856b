"""The add-on `dns`: how many pods it has, where they may be, what may stop them, and what its Corefile says."""

import re
from dataclasses import replace

import golden
import pytest
from ruamel.yaml import YAML

from generator import addons
from generator.definition import Pool

DRIVERS = {"weave": "quickstart", "flannel": "quickstart-flannel"}


def sized(masters, *pools, size="medium"):
    """A definition of so many masters, and of pools: (count, size, and perhaps min and max)."""
    definition = golden.load("quickstart")[0]
    workers = tuple(
        Pool(f"pool{number}", count, kind, **dict(zip(("min", "max"), limits, strict=False)))
        for number, (count, kind, *limits) in enumerate(pools)
    )
    return replace(definition, masters=replace(definition.masters, count=masters, size=size), workers=workers)


def objects(driver="weave", **changes):
    """(kind, name) -> object."""
    definition, lock, _ = golden.load(DRIVERS[driver])
    text = addons.manifests(replace(definition, **changes), lock, "10.96.0.10")["cluster"]["dns.yaml"]
    made = YAML(typ="safe", pure=True).load_all(text)
    return {(each["kind"], each["metadata"]["name"]): each for each in made}


def pod(**changes):
    return objects(**changes)["Deployment", "coredns"]["spec"]["template"]


@pytest.mark.parametrize(
    ("masters", "pools", "replicas"),
    [
        (1, [], 1),
        (1, [(0, "small")], 1),
        (1, [(0, "small", 0, 3)], 2),
        (1, [(1, "small")], 2),
        (3, [], 2),
        (3, [(29, "small")], 2),  # 32 machines
        (3, [(30, "small")], 3),
        (1, [(10, "small"), (20, "tiny")], 2),
        (1, [(63, "xlarge")], 4),  # 64 machines with 506 CPUs
        (1, [(64, "xlarge")], 5),
        (3, [(997, "medium")], 63),
        (3, [(3, "medium", 3, 45)], 3),  # what it may grow to counts
        (1, [(3, "medium", 1, 999)], 8),  # which must find room in the smallest that it may be
        (1, [(2, "medium", 0, 500)], 4),
    ],
)
def test_pods_are_as_many_as_the_machines_ask_for(masters, pools, replicas):
    definition = sized(masters, *pools)
    assert addons.dns_replicas(definition) == replicas
    changes = {"masters": definition.masters, "workers": definition.workers}
    assert objects(**changes)["Deployment", "coredns"]["spec"]["replicas"] == replicas


@pytest.mark.parametrize(("workers", "replicas"), [(12, 2), (61, 4), (69, 5)])
def test_large_machines_ask_for_more(monkeypatch, workers, replicas):
    """No size has as many CPUs as that they would count for more than the machines."""
    monkeypatch.setitem(addons.SIZES, "xlarge", replace(addons.SIZES["xlarge"], cpus=16))
    assert addons.dns_replicas(sized(3, (workers, "xlarge"))) == replicas


def test_etcd_machines_are_no_nodes():
    definition = sized(1)
    assert addons.dns_replicas(replace(definition, etcd=replace(definition.etcd, count=5))) == 1


@pytest.mark.parametrize(
    ("pools", "machines"),
    [
        ([], 1),
        ([Pool("a", 2, "small")], 3),
        ([Pool("a", 2, "small", min=0, max=9)], 1),
        (
            [
                Pool("a", 2, "small", taints=("gpu=:NoSchedule",)),
                Pool("b", 1, "small", taints=("x=:PreferNoSchedule",)),
            ],
            2,
        ),
    ],
)
def test_pods_are_on_different_machines_where_there_are_two_for_sure(pools, machines):
    definition = replace(golden.load("quickstart")[0], workers=tuple(pools))
    assert addons.dns_machines(definition) == machines
    template = pod(workers=tuple(pools))
    (constraint,) = template["spec"]["topologySpreadConstraints"]
    # Tainted machines count for none, or the empty ones among them would keep a third pod from the others.
    strict = {"whenUnsatisfiable": "DoNotSchedule", "minDomains": 2, "nodeTaintsPolicy": "Honor"}
    assert strict.items() <= constraint.items() if machines > 1 else constraint["whenUnsatisfiable"] == "ScheduleAnyway"
    assert constraint["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert constraint["matchLabelKeys"] == ["pod-template-hash"]  # the old ones of a rolling update count for nothing


@pytest.mark.parametrize("masters", [1, 3])
def test_one_pod_may_be_evicted_and_none_goes_before_another_is_ready(masters):
    definition = sized(masters)
    made = objects(masters=definition.masters, workers=())
    budget, deployment = made["PodDisruptionBudget", "coredns"]["spec"], made["Deployment", "coredns"]["spec"]
    assert budget["selector"] == deployment["selector"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert "minAvailable" not in budget  # which would hold up each drain where there is one pod
    assert deployment["strategy"] == {"rollingUpdate": {"maxUnavailable": 0}}


def blocks(corefile):
    """The server blocks by zone, each by its lines; what is outside of them is that of ""."""
    found, zone = {"": []}, ""
    for line in corefile.splitlines():
        if opened := re.fullmatch(r"(\S+) {", line):
            zone = opened[1]
            found[zone] = []
        elif line == "}":
            zone = ""
        else:
            found[zone].append(line.strip())
    return found


@pytest.mark.parametrize(
    ("driver", "servers"),
    [
        ("weave", {"weave.local:53": "/etc/anywhere/weave-dns.conf", ".:53": "/etc/resolv.conf"}),
        ("flannel", {".:53": "/etc/resolv.conf"}),
    ],
)
def test_what_other_servers_are_asked_has_a_limit(driver, servers):
    found = blocks(objects(driver)["ConfigMap", "coredns"]["data"]["Corefile"])
    assert found.keys() == {"", *servers}
    for zone, server in servers.items():
        begun = found[zone].index(f"forward . {server} {{")
        assert found[zone][begun + 1 : begun + 3] == ["max_concurrent 1000", "}"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_snippets_are_imported_where_they_belong(driver):
    corefile = objects(driver)["ConfigMap", "coredns"]["data"]["Corefile"]
    found = blocks(corefile)
    assert found[""] == ["import /etc/coredns-custom/*.server"]
    assert [line for line in found[".:53"] if line.startswith("import")] == ["import /etc/coredns-custom/*.override"]
    assert "reload" in found[".:53"]
    assert corefile.count("{") == corefile.count("}")


@pytest.mark.parametrize("driver", DRIVERS)
def test_snippets_are_the_users_own(driver):
    made = objects(driver)
    assert ("ConfigMap", "coredns-custom") not in made
    spec = made["Deployment", "coredns"]["spec"]["template"]["spec"]
    (folder,) = (each for each in spec["containers"][0]["volumeMounts"] if each["mountPath"] == "/etc/coredns-custom")
    assert folder["readOnly"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == folder["name"])
    theirs, ours = (source["configMap"] for source in volume["projected"]["sources"])
    assert theirs == {"name": "coredns-custom", "optional": True}
    # Each pattern matches a file that says nothing: a pattern that matches none is logged over and over.
    assert {item["path"] for item in ours["items"]} == {"anywhere.override", "anywhere.server"}
    data = made["ConfigMap", ours["name"]]["data"]
    assert all(data[item["key"]].startswith("# ") and data[item["key"]].count("\n") == 1 for item in ours["items"])
