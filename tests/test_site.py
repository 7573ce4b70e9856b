"""Where clusters stand, as their targets say it of a definition and a lock."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

import providers
from generator import schema
from generator.lock import Lock
from generator.sections import Vpc
from generator.topology import blocks, lay_out
from tests.pictures import ROOT

DEFINITION = schema.load(ROOT / "examples" / "star-wars" / "cluster.yaml")
RANGE = IPv4Network("203.0.113.0/24")


def locked(**facts):
    aws = {"region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"], **facts}
    return Lock("v1.37.2", "weave", {}, None, {"general": 0}, {"aws": aws})


def aws(**section):
    return replace(
        DEFINITION, providers=replace(DEFINITION.providers, aws=replace(DEFINITION.providers.aws, **section))
    )


def site(definition, lock=None, target="aws"):
    return providers.load(target).site(definition, lock)


def zones(definition, lock):
    found = site(definition, lock)
    return {machine.name: found.zone(machine) for machine in lay_out(definition, blocks(definition, {})).fixed}


def test_local_machines_have_no_zones_and_a_port_of_this_computer():
    found = site(DEFINITION, None, "local")
    assert (found.place, found.zones, found.entry.name) == (
        "virtual machines on this computer",
        (),
        "Port on 127.0.0.1",
    )


@pytest.mark.parametrize(("target", "kind"), [("aws", "t3.small"), ("gce", "e2-medium")])
def test_a_cloud_calls_machines_by_its_types(target, kind):
    assert site(DEFINITION, None, target).types["worker-general"] == kind


def test_without_a_lock_zones_are_those_that_the_definition_names():
    assert site(aws()).zones == () and "in zones that the lock will name" in site(aws()).place
    named = site(aws(zones=("eu-west-1c", "eu-west-1a")))
    assert (named.place, named.zones) == ("eu-west-1", ("eu-west-1c", "eu-west-1a"))
    assert named.pool_zones == {"general": named.zones}


def test_with_a_lock_machines_take_turns_in_its_zones():
    assert zones(aws(), locked()) == {
        "etcd1": "eu-west-1a",
        "etcd2": "eu-west-1b",
        "etcd3": "eu-west-1a",
        "master1": "eu-west-1a",
    }
    assert set(zones(aws(), locked(spread=1)).values()) == {"eu-west-1a"}
    assert site(aws(), locked(pool_zones={"general": ["eu-west-1b"]})).pool_zones == {"general": ("eu-west-1b",)}


def test_in_a_network_that_was_there_machines_take_turns_in_its_subnets():
    vpc = Vpc("vpc-0", ("subnet-0", "subnet-1", "subnet-2"), ())
    stands = [{"id": f"subnet-{n}", "zone": f"eu-west-1{z}", "cidr": "10.20.0.0/24"} for n, z in enumerate("aab")]
    found = zones(aws(vpc=vpc), locked(subnets=stands))
    assert found == {"etcd1": "eu-west-1a", "etcd2": "eu-west-1a", "etcd3": "eu-west-1b", "master1": "eu-west-1a"}
    assert site(aws(vpc=vpc), locked(subnets=stands)).addressed and not site(aws(vpc=vpc)).addressed
    assert site(aws(vpc=vpc)).network == "vpc-0"


@pytest.mark.parametrize(
    ("section", "name", "balanced"),
    [
        ({"load_balancer": True}, "Load balancer", True),
        ({"load_balancer": None}, "No load balancer", False),  # of one master
        ({"load_balancer": True, "vpc": Vpc("vpc-0", ("subnet-0",), ())}, "Internal load balancer", True),
        ({"load_balancer": True, "vpc": Vpc("vpc-0", ("subnet-0",), ("subnet-1",))}, "Load balancer", True),
    ],
)
def test_how_clients_reach_the_api(section, name, balanced):
    entry = site(aws(**section)).entry
    assert (entry.name, entry.balanced) == (name, balanced)


@pytest.mark.parametrize(("number", "said"), [(1, "203.0.113.0/24"), (4, "203.0.113.0/24, 203.0.113.0/24 and 2 more")])
def test_who_may_reach_it_is_named_as_long_as_that_is_short(number, said):
    assert site(aws(admin_cidrs=(RANGE,) * number)).entry.detail == f"port 6443, for {said}"
