from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import definitions, pools

from generator.definition import Definition, Etcd, Masters, Network, Pool
from generator.errors import UserError
from generator.sections import Local, Sections
from generator.topology import NODE, blocks, lay_out, offset, role_components

STAR_WARS = Definition(
    path=Path("cluster.yaml"),
    name="star-wars",
    kubernetes="v1.37.2",
    etcd=Etcd(3, "small"),
    masters=Masters(1, "medium", False),
    workers=(Pool("general", 2, "medium", {"a": "b"}, ("gpu=:NoSchedule",)), Pool("batch", 1, "large")),
    network=Network(None, IPv4Network("10.20.0.0/16"), IPv4Network("10.32.0.0/12"), IPv4Network("10.96.0.0/16")),
    registry=None,
    addons=("dns",),
    ssh_keys=(),
    providers=Sections(Local(machines="vm", egress=True, host_loopback=False, accel="auto"), aws=None, gce=None),
)


def machines(definition, known=None):
    return {machine.name: machine for machine in lay_out(definition, blocks(definition, known or {})).machines}


def test_names_and_addresses():
    assert {name: machine.address for name, machine in machines(STAR_WARS).items()} == {
        "etcd1": "10.20.0.10",
        "etcd2": "10.20.0.42",
        "etcd3": "10.20.0.74",
        "master1": "10.20.1.10",
        "worker-general-1": "10.20.4.1",
        "worker-general-2": "10.20.4.2",
        "worker-batch-1": "10.20.8.1",
    }


def test_etcd_machines_run_nothing_else():
    topology = lay_out(STAR_WARS, blocks(STAR_WARS, {}))
    assert [machine.name for machine in topology.having("etcd")] == ["etcd1", "etcd2", "etcd3"]
    assert all(machine.components == ("etcd",) for machine in topology.having("etcd"))
    assert [machine.member for machine in topology.having("etcd")] == ["etcd1", "etcd2", "etcd3"]


def test_founders_keep_their_addresses_also_once_they_are_gone():
    fewer = replace(STAR_WARS, etcd=replace(STAR_WARS.etcd, count=1))
    began = ("etcd1", "etcd2", "etcd3", "master1")
    found = lay_out(fewer, blocks(fewer, {}), began_with=began).founders
    assert found == {"etcd1": "10.20.0.10", "etcd2": "10.20.0.42", "etcd3": "10.20.0.74", "master1": "10.20.1.10"}
    assert found == lay_out(STAR_WARS, blocks(STAR_WARS, {})).founders


def test_etcd_starts_first_on_masters_without_etcd_machines():
    found = machines(replace(STAR_WARS, etcd=Etcd(0, "small")))
    assert found["master1"].components[:2] == ("etcd", "kube-apiserver")
    assert "etcd1" not in found


def test_masters_are_tainted_unless_schedulable():
    assert machines(STAR_WARS)["master1"].taints == ("node-role.kubernetes.io/control-plane=:NoSchedule",)
    assert machines(replace(STAR_WARS, masters=Masters(1, "medium", True)))["master1"].taints == ()


def test_workers_have_what_their_pool_says():
    worker = machines(STAR_WARS)["worker-general-1"]
    assert (worker.role, worker.pool, worker.size.memory) == ("worker", "general", 4096)
    assert (worker.labels, worker.taints, worker.components) == (
        {"a": "b"},
        ("gpu=:NoSchedule",),
        ("kubelet", "kube-proxy"),
    )


def test_a_pool_that_the_lock_does_not_know():
    with pytest.raises(UserError, match="batch") as caught:
        lay_out(STAR_WARS, {"general": 0})
    assert "anywhere images lock" in caught.value.hint


def test_a_block_outside_of_the_network():
    with pytest.raises(UserError, match="outside"):
        lay_out(STAR_WARS, {"general": 0, "batch": 63})


def test_a_new_pool_gets_the_lowest_free_block():
    assert blocks(STAR_WARS, {"old": 0, "general": 2}) == {"old": 0, "general": 2, "batch": 1}


def test_every_fixed_machine_has_a_27_of_its_own():
    """A cloud with subnets by zone gives each its subnet; the fourth /24 stays free for public ones."""
    definition = replace(STAR_WARS, etcd=Etcd(7, "small"), masters=Masters(9, "medium", False))
    fixed = [IPv4Address(m.address) for m in lay_out(definition, blocks(definition, {})).machines if m.role != "worker"]
    slots = {IPv4Network((int(address) & ~31, 27)) for address in fixed}
    assert len(slots) == 16
    assert not any(slot.overlaps(IPv4Network("10.20.3.0/24")) for slot in slots)


def test_in_subnets_that_were_there_machines_of_a_role_take_turns():
    subnets = (IPv4Network("10.20.64.0/20"), IPv4Network("10.20.96.0/20"))
    found = lay_out(STAR_WARS, blocks(STAR_WARS, {}), subnets).machines
    assert {m.name: m.address for m in found if m.role != "worker"} == {
        "etcd1": "10.20.64.11",
        "etcd2": "10.20.96.12",
        "etcd3": "10.20.64.13",
        "master1": "10.20.64.21",
    }


def test_a_pool_begins_after_its_offset():
    known = blocks(STAR_WARS, {})
    first = STAR_WARS.network.machines[offset(STAR_WARS, STAR_WARS.workers[1], known) + 1]
    assert str(first) == machines(STAR_WARS)["worker-batch-1"].address


def test_a_pool_without_machines_yet_has_its_role():
    empty = replace(STAR_WARS, workers=(Pool("later", 0, "small", max=5),))
    assert role_components(empty)["worker"] == NODE
    assert "worker" not in role_components(replace(STAR_WARS, workers=()))


@given(definitions())
def test_names_and_addresses_are_unique_and_in_range(definition):
    found = lay_out(definition, blocks(definition, {})).machines
    assert len({machine.name for machine in found}) == len({machine.address for machine in found}) == len(found)
    network = definition.network.machines
    for machine in found:
        address = IPv4Address(machine.address)
        assert address in network
        assert address not in (network.network_address, network.broadcast_address)
        assert len(f"{definition.name}-{machine.name}") <= 63
    assert {machine.arch for machine in found} == set(definition.architectures)


@given(definitions(), st.data())
def test_a_machine_more_changes_no_other(definition, data):
    known = blocks(definition, {})
    index = data.draw(st.integers(0, len(definition.workers) - 1))
    pool = definition.workers[index]
    grown = (*definition.workers[:index], replace(pool, count=pool.count + 1), *definition.workers[index + 1 :])
    before, after = machines(definition), machines(replace(definition, workers=grown), known)
    assert set(after) - set(before) == {f"worker-{pool.name}-{pool.count + 1}"}
    assert {name: after[name] for name in before} == before


@given(definitions(), pools(st.just("z-new")), st.data())
def test_a_pool_more_changes_no_machine(definition, pool, data):
    known = blocks(definition, {})
    index = data.draw(st.integers(0, len(definition.workers)))
    more = replace(definition, workers=(*definition.workers[:index], pool, *definition.workers[index:]))
    before, after = machines(definition), machines(more, known)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + pool.count


@given(definitions(), st.data())
def test_a_pool_less_changes_no_machine_and_keeps_its_block(definition, data):
    known = blocks(definition, {})
    gone = data.draw(st.sampled_from(definition.workers))
    left = replace(definition, workers=tuple(pool for pool in definition.workers if pool != gone))
    assert blocks(left, known) == known
    before, after = machines(definition), machines(left, known)
    assert after == {name: machine for name, machine in before.items() if machine.pool != gone.name}
