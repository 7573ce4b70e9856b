"""The release: what every machine reads, and the secrets it never holds."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

import golden
import pytest
from hypothesis import given, settings
from strategies import definitions

from generator import pki, release, render, topology
from generator.definition import Os
from generator.store import Secrets

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(definition, lock, machines):
    return json.loads(release.document(definition, lock, machines, "0" * 64, golden.secrets(machines)))


def loaded(case):
    return document(*golden.load(case))


@pytest.fixture(scope="module")
def secrets():
    return pki.ensure(Secrets("star-wars"), NOW, IPv4Network("10.96.0.0/16"))


def confidential(secrets):
    """Every secret value of a store, also as it stands inside kubeconfigs and without its PEM frame."""
    texts = [pair.key for pair in (*secrets.authorities.values(), *secrets.leaves.values())]
    texts += [*secrets.keys.values(), secrets.token.secret, f"{secrets.token.id}.{secrets.token.secret}"]
    for text in texts:
        yield text.encode()
        yield b64encode(text.encode())
        yield from (line.encode() for line in text.splitlines() if len(line) > 20 and "-----" not in line)


@pytest.mark.parametrize("case", ["star-wars", "quickstart-flannel"])
def test_no_secret_is_in_the_tree(case, secrets):
    definition, lock, machines = golden.load(case)
    documents, readers = pki.documents(secrets), pki.readers(machines)
    described = {name: {"roles": list(readers[name]), "version": pki.version(text)} for name, text in documents.items()}
    tree = render.tree(definition, lock, machines, golden.target(definition), described)
    values = set(confidential(secrets))
    assert len(values) > 50
    for name, data in tree.items():
        assert not any(value in data for value in values), name
        assert b"PRIVATE KEY" not in data, name


def test_the_search_for_secrets_would_find_one(secrets):
    documents = json.dumps(pki.documents(secrets)).encode()
    assert any(value in documents for value in confidential(secrets))
    kubeconfig = pki.documents(secrets)["kube-scheduler"]["kubeconfig"]
    key = re.search(r"client-key-data: (\S+)", kubeconfig)[1].strip('"')
    assert b"PRIVATE KEY" in b64decode(key) and key.encode() in set(confidential(secrets))


@pytest.mark.parametrize("case", golden.CASES)
def test_every_image_of_a_role_is_described(case):
    found = loaded(case)
    for role in found["roles"].values():
        assert set(role["images"]) <= found["images"]["amd64"].keys()
        assert {container["image"] for container in role["containers"]} <= set(role["images"])
        for name in role["images"]:
            assert set(found["images"]["amd64"][name]["runtimes"]) <= {"docker", "containerd"}


@pytest.mark.parametrize("case", golden.CASES)
def test_machines_give_images_the_names_that_manifests_call_them_by(case):
    found = loaded(case)
    given = {image["pod_ref"] for image in found["images"]["amd64"].values() if "pod_ref" in image}
    asked = re.findall(r"image: \"?([^\s\"]+)", "".join(found["addons"]["cluster"].values()))
    assert asked and set(asked) <= given


@pytest.mark.parametrize("case", golden.CASES)
def test_only_nodes_load_what_pods_run(case):
    found = loaded(case)
    pods = {name for name, image in found["images"]["amd64"].items() if "containerd" in image["runtimes"]}
    assert {"pause", "coredns"} <= pods
    for role in found["roles"].values():
        runs_pods = "kubelet" in {container["component"] for container in role["containers"]}
        assert pods & set(role["images"]) == (pods if runs_pods else set())


def test_a_role_lists_its_components_in_start_order():
    found = loaded("star-wars")["roles"]
    order = {role: [container["component"] for container in found[role]["containers"]] for role in found}
    assert order == {
        "etcd": ["etcd"],
        "master": list(topology.MASTER),
        "worker": ["kubelet", "kube-proxy"],
    }


def test_names_lead_to_the_machines_behind_them():
    assert loaded("ha")["network"]["names"] == {
        "kube-apiserver.weave.local": ["10.20.1.10", "10.20.1.42", "10.20.1.74"],
        "etcd1.weave.local": ["10.20.1.10"],
        "etcd2.weave.local": ["10.20.1.42"],
        "etcd3.weave.local": ["10.20.1.74"],
    }


def test_groups_carry_what_pools_say():
    groups = loaded("ha")["groups"]
    assert groups["worker-batch"] == {
        "labels": {"node.kubernetes.io/pool": "batch", "example.com/tier": "batch"},
        "taints": ["dedicated=batch:NoSchedule"],
        "max_pods": 110,
    }
    assert groups["master"]["taints"] == ["node-role.kubernetes.io/control-plane=:NoSchedule"]
    assert loaded("quickstart")["groups"]["master"]["taints"] == []


@settings(max_examples=25)
@given(definitions())
def test_it_says_what_the_definition_and_the_lock_say(definition):
    lock = replace(golden.load("star-wars")[1], blocks=topology.blocks(definition, {}))
    machines = topology.lay_out(definition, lock.blocks)
    found = document(definition, lock, machines)
    assert found["network"]["founders"] == list(machines.founders.values())
    etcd = [machine.address for machine in machines.having("etcd")]
    assert found["network"]["seeds"] == etcd
    assert set(found["control_plane"]) == {machine.name for machine in machines.fixed}
    assert found["etcd"]["members"] == [machine.member for machine in machines.having("etcd")]
    assert found["network"]["encryption"] is definition.network.encryption
    assert (found["kubernetes"], found["registry"]) == (
        lock.kubernetes,
        definition.registry and definition.registry.mirror,
    )
    for machine in machines.machines:
        group = found["groups"][machine.group]
        assert group["labels"].items() >= dict(machine.labels).items()
        assert group["taints"] == list(machine.taints)
        components = [container["component"] for container in found["roles"][machine.role]["containers"]]
        assert components == list(machine.components)


def test_dns_has_the_tenth_address():
    assert release.dns_address(IPv4Network("10.96.0.0/16")) == "10.96.0.10"


def test_a_definition_without_updates_leaves_machines_as_they_are():
    definition, lock, machines = golden.load("ha")
    key = f"packages/{lock.updates['amd64'].archive.sha256}.tar"
    assert document(definition, lock, machines)["updates"]["archives"] and key in render.archives(
        definition, lock, machines
    )
    without = replace(definition, os=Os("none"))
    assert document(without, lock, machines)["updates"]["archives"] == {}
    assert key not in render.archives(without, lock, machines)
