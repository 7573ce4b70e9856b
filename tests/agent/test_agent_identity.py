"""What tells one description of a component from another: halts and turns go by it."""

import json
import os

from agent import containers, host, membership
from agent.host import Host
from releases import release, text

MACHINES = [Host(f"master{n}", "master", "master", f"10.20.1.{n}", "10.0.2.100", 1500) for n in (1, 2)]


class Plain:
    """A network that adds nothing."""

    def node_address(self):
        return "10.32.0.1"


def test_a_description_is_told_from_another_by_all_that_is_the_same_on_every_machine():
    """It is what a halt is about: what one machine put back, no other tries."""
    found = release("ha")
    etcd = found["roles"]["master"]["containers"][0]
    first = {"INITIAL_CLUSTER": "etcd1=https://etcd1.weave.local:2380", "CLUSTER_STATE": "new"}
    second = {"INITIAL_CLUSTER": "etcd2=https://etcd2.weave.local:2380", "CLUSTER_STATE": "existing"}
    same = containers.filled(found, etcd, MACHINES[0], Plain(), **first)["identity"]
    assert containers.filled(found, etcd, MACHINES[1], Plain(), **second)["identity"] == same
    assert containers.identity_of(found, etcd) == same
    identities = {same, containers.identity_of(found, etcd | {"command": ["etcd", "--broken"]})}
    for part, change in (("image_ids", {"etcd": ["sha256:another"]}), ("secrets", {"etcd": "ba9876543210"})):
        identities.add(containers.identity_of(found | {part: found[part] | change}, etcd))
    assert len(identities) == 4


def test_the_identity_is_the_same_on_both_architectures(monkeypatch):
    whole = json.loads(text("ha"))
    whole["images"]["arm64"] = json.loads(json.dumps(whole["images"]["amd64"]).replace("sha256:", "sha256:arm"))
    found = []
    for arch in ("amd64", "arm64"):
        monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: arch})
        one = host.release(json.dumps(whole))
        found.append([containers.identity_of(one, each) for each in one["roles"]["worker"]["containers"]])
    assert found[0] == found[1]


def test_etcd_never_starts_before_its_machine_knows_how():
    (etcd,) = (each for each in release("ha")["roles"]["master"]["containers"] if each["component"] == "etcd")
    assert etcd["needs"] == str(membership.START)
