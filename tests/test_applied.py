"""What is recorded of a cluster, and what each change of it does: the table, on each target."""

import json
import re
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from generator import applied, topology
from generator.definition import Etcd, Pool
from generator.lock import Packages, PublicSecrets, StoreRecord
from generator.schema.changes import CHANGES, LIVE, NEVER, NEW, REPLACES
from generator.schema.targets import S3, Aws, AwsBackend, Gce, GceNetwork, Vpc
from generator.sections import Sections
from tests import golden
from tests.aws_clusters import SUBNETS, VPC
from tests.clouds import FACTS, SECTIONS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO me"
BASE, LOCK, _ = golden.load("star-wars")
POOL = Pool("general", 3, "medium")
CLOUDS, ALL = ("aws", "gce"), ("local", "aws", "gce")
PUBLIC = PublicSecrets({"kubernetes": "a" * 64}, {"etcd": "b" * 12})
SECRETS = StoreRecord("1" * 32, dict.fromkeys(ALL, PUBLIC))


def cluster(**fields):
    """star-wars with one pool, for all targets; `aws`, `gce`, `local` and `network` change those by key."""
    aws = Aws(**SECTIONS["aws"] | fields.pop("aws", {})).section()
    gce = Gce(**SECTIONS["gce"] | fields.pop("gce", {})).section()
    local = replace(BASE.providers.local, **fields.pop("local", {}))
    network = replace(BASE.network, **fields.pop("network", {}))
    changed = {"workers": (POOL,), "etcd": Etcd(3, "small"), **fields}
    return replace(BASE, network=network, providers=Sections(local, aws, gce), **changed)


def lock(definition, **facts):
    """A lock for all targets; `facts` change those of each by key."""
    known = {target: FACTS[target] | facts.get(target, {}) for target in FACTS}
    founders = dict.fromkeys(ALL, LOCK.founders["local"])
    blocks = topology.blocks(definition, {})
    return replace(LOCK, driver="weave", blocks=blocks, facts=known, founders=founders, secrets=SECRETS)


def recorded(target, locked=None, **changed):
    definition = cluster(**changed)
    return applied.fields(definition, locked or lock(definition), target)


def effects(before, after, target):
    return {change.path: change.effect for change in applied.compare(before, after, target)}


def pool(**changed):
    return {"workers": (replace(POOL, **changed),)}


@pytest.mark.parametrize("target", ALL)
def test_every_field_that_is_compared_is_recorded(target):
    given = {"vpc": Vpc(**VPC), "backend": AwsBackend(s3=S3(bucket="states"))}
    network = GceNetwork(name="shared", subnetwork="nodes")
    found = recorded(target, aws=given, gce={"network": network, "kms_key": None}, ssh_keys=(KEY,))
    others = [f".{other}." for other in ALL if other != target]
    wanted = {path for path, rule in CHANGES.items() if rule.compared and not any(o in path for o in others)}
    assert {re.sub(r"\[\w+\]", "[]", path) for path in found} == wanted
    assert found["spec.network.pods"] == "10.32.0.0/12" and found["spec.access.ssh_keys"] == [KEY]


def test_the_record_is_canonical_and_comes_back_as_it_was():
    found = recorded("aws", **pool(labels={"b": "2", "a": "1"}))
    again = recorded("aws", **pool(labels={"a": "1", "b": "2"}))
    assert applied.document(found) == applied.document(again)
    assert effects(json.loads(applied.document(found)), found, "aws") == {}


def test_what_only_one_version_knows_is_no_change():
    found = recorded("local")
    assert effects({**found, "spec.of_another_version": 1}, found, "local") == {}
    assert effects({}, found, "local") == {}


OTHER = {"amd64": "ami-0123456789abcdef9"}
CASES = [
    # targets, before, after, path, effect
    (ALL, {}, {"etcd": Etcd(1, "small")}, "spec.etcd.count", LIVE),
    (ALL, {}, {"etcd": Etcd(5, "small")}, "spec.etcd.count", LIVE),
    (ALL, {}, {"etcd": Etcd(0, "small")}, "spec.etcd.count", NEVER),
    (ALL, {}, {"masters": replace(BASE.masters, count=9)}, "spec.masters.count", LIVE),
    (
        ALL,
        {"etcd": Etcd(0, "small")},
        {"etcd": Etcd(0, "small"), "masters": replace(BASE.masters, count=9)},
        "spec.masters.count",
        LIVE,
    ),
    (ALL, {}, {"etcd": Etcd(3, "large")}, "spec.etcd.size", LIVE),
    (CLOUDS, {}, {"etcd": Etcd(3, "tiny")}, "spec.etcd.size", LIVE),
    (("local",), {}, {"etcd": Etcd(3, "tiny")}, "spec.etcd.size", NEVER),
    (("local",), {"etcd": Etcd(0, "small")}, {"etcd": Etcd(0, "tiny")}, "spec.etcd.size", LIVE),
    (ALL, {}, {"etcd": Etcd(3, "small", "arm64")}, "spec.etcd.arch", NEVER),
    (ALL, {"etcd": Etcd(0, "small")}, {"etcd": Etcd(0, "small", "arm64")}, "spec.etcd.arch", LIVE),
    (ALL, {}, {"masters": replace(BASE.masters, arch="arm64")}, "spec.masters.arch", NEVER),
    (ALL, {}, {"kubernetes": "v1.35.9"}, "spec.kubernetes.version", LIVE),
    (ALL, {}, {"network": {"machines": IPv4Network("10.64.0.0/16")}}, "spec.network.machines", NEVER),
    (ALL, {}, {"network": {"pods": IPv4Network("10.64.0.0/12")}}, "spec.network.pods", NEVER),
    (ALL, {}, {"network": {"services": IPv4Network("10.97.0.0/16")}}, "spec.network.services", NEVER),
    (ALL, {}, {"network": {"encryption": False}}, "spec.network.encryption", LIVE),
    (("local", "aws"), {}, {"ssh_keys": (KEY,)}, "spec.access.ssh_keys", NEW),
    (("local", "aws"), {"ssh_keys": (KEY,)}, {}, "spec.access.ssh_keys", NEW),
    (("gce",), {}, {"ssh_keys": (KEY,)}, "spec.access.ssh_keys", LIVE),
    (ALL, {"addons": ("dns",)}, {"addons": ()}, "spec.addons", LIVE),
    (ALL, {"addons": ()}, {"addons": ("dns",)}, "spec.addons", LIVE),
    (ALL, {}, pool(labels={"a": "b"}), "spec.workers[general].labels", LIVE),
    (ALL, {}, pool(taints=("a=b:NoSchedule",)), "spec.workers[general].taints", LIVE),
    (CLOUDS, {}, pool(size="small"), "spec.workers[general].size", NEW),
    (("local",), {}, pool(size="small"), "spec.workers[general].size", NEVER),
    (("local",), {}, pool(size="large"), "spec.workers[general].size", LIVE),
    (CLOUDS, {}, pool(spot=True), "spec.workers[general].spot", NEW),
    (("local",), {}, pool(spot=True), "spec.workers[general].spot", LIVE),
    (ALL, {}, pool(count=5), "spec.workers[general].count", LIVE),
    (CLOUDS, pool(min=1, max=9), pool(count=5, min=1, max=9), "spec.workers[general].count", NEW),
    (("local",), pool(min=1, max=9), pool(count=5, min=1, max=9), "spec.workers[general].count", LIVE),
    (
        ("local",),
        {"local": {"machines": "vm"}},
        {"local": {"machines": "container"}},
        "providers.local.machines",
        NEVER,
    ),
    (("local",), {"local": {"machines": "vm"}}, {"local": {"machines": "auto"}}, "providers.local.machines", LIVE),
    (("local",), {"local": {"machines": "auto"}}, {"local": {"machines": "vm"}}, "providers.local.machines", REPLACES),
    (("aws",), {}, {"aws": {"region": "eu-west-2"}}, "providers.aws.region", NEVER),
    (("aws",), {}, {"aws": {"account": "123456789012"}}, "providers.aws.account", LIVE),
    (("aws",), {}, {"aws": {"vpc": Vpc(**VPC)}}, "providers.aws.vpc.id", NEVER),
    (("aws",), {}, {"aws": {"tags": {"team": "a"}}}, "providers.aws.tags", LIVE),
    (("aws",), {}, {"aws": {"sizes": {"medium": "m5.large"}}}, "providers.aws.sizes", NEW),  # which the pool has
    (("aws",), {}, {"aws": {"sizes": {"xlarge": "m5.2xlarge"}}}, "providers.aws.sizes", LIVE),
    (("gce",), {}, {"gce": {"project": "other-project"}}, "providers.gce.project", NEVER),
    (("gce",), {}, {"gce": {"network": GceNetwork(name="a", subnetwork="b")}}, "providers.gce.network.name", NEVER),
]


@pytest.mark.parametrize(("targets", "before", "after", "path", "effect"), CASES)
def test_each_change_does_what_the_table_says(targets, before, after, path, effect):
    for target in targets:
        assert effects(recorded(target, **before), recorded(target, **after), target)[path] == effect, target


def test_flannel_keeps_its_encryption():
    flannel = replace(lock(cluster()), driver="flannel")
    found = effects(recorded("local", flannel), recorded("local", flannel, network={"encryption": False}), "local")
    assert found == {"spec.network.encryption": NEVER}


def test_the_driver_that_counts_is_the_locks():
    flannel = replace(lock(cluster()), driver="flannel")
    assert effects(recorded("aws"), recorded("aws", flannel), "aws") == {"spec.network.driver": NEVER}


def test_a_store_or_an_authority_of_another_cluster_is_none_of_this_one():
    other = replace(SECRETS, store="2" * 32)
    public = PublicSecrets({"kubernetes": "c" * 64, "front-proxy": "d" * 64}, {"etcd": "e" * 12})
    swapped = replace(SECRETS, targets={**SECRETS.targets, "local": public})
    known = recorded("local")
    assert effects(known, recorded("local", replace(lock(cluster()), secrets=other)), "local") == {
        "lock.secrets.store": NEVER
    }
    assert effects(known, recorded("local", replace(lock(cluster()), secrets=swapped)), "local") == {
        "lock.secrets.targets[local].authorities[kubernetes]": NEVER  # of another version: the one that is new
    }
    assert effects(known, recorded("aws", replace(lock(cluster()), secrets=swapped)), "local") == {}


MOVES = [
    ({}, {"zones": ["eu-west-1b", "eu-west-1a", "eu-west-1c"]}, NEVER),
    ({}, {"zones": ["eu-west-1a", "eu-west-1b"]}, NEVER),
    ({}, {"zones": [*FACTS["aws"]["zones"], "eu-west-1d"]}, NEVER),  # as master4 would stand there, and master5 move
    ({}, {"zones": [*FACTS["aws"]["zones"], "eu-west-1d"], "spread": 3}, LIVE),
    ({"spread": 3}, {"spread": 2}, NEVER),
    ({"subnets": SUBNETS}, {"subnets": SUBNETS[::-1]}, NEVER),
    ({"subnets": SUBNETS[:1]}, {"subnets": [SUBNETS[0] | {"cidr": "10.20.64.0/19"}]}, LIVE),
    ({"subnets": SUBNETS[:1]}, {"subnets": SUBNETS, "spread": 1}, LIVE),
]


@pytest.mark.parametrize(("before", "after", "effect"), MOVES)
def test_zones_and_subnets_only_follow_those_that_are_there(before, after, effect):
    one, other = (recorded("aws", lock(cluster(), aws=facts)) for facts in (before, after))
    found = effects(one, other, "aws")
    assert found and set(found.values()) == {effect}


def test_blocks_images_and_packages_are_compared_by_what_both_have():
    known = replace(lock(cluster()), packages={"amd64": Packages("a" * 64, 1)}, blocks={"general": 0})
    more = replace(
        known,
        packages={**known.packages, "arm64": Packages("b" * 64, 1)},
        blocks={"general": 0, "other": 1},
        facts={**known.facts, "aws": {**FACTS["aws"], "images": {"amd64": FACTS["aws"]["images"]["amd64"]}}},
    )
    for target in ALL:
        assert set(effects(recorded(target, known), recorded(target, more), target).values()) <= {LIVE}
    moved = replace(
        known,
        packages={"amd64": Packages("c" * 64, 1)},
        blocks={"general": 2},
        facts={**known.facts, "aws": {**FACTS["aws"], "images": OTHER}},
    )
    assert effects(recorded("aws", known), recorded("aws", moved), "aws") == {
        "lock.packages": NEW,
        "lock.blocks": LIVE,
        "lock.facts.aws.images": NEW,
    }
    assert effects(recorded("local", known), recorded("local", moved), "local") == {
        "lock.packages": LIVE,
        "lock.blocks": NEVER,
    }
