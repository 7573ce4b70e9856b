"""Wanted machines against observed ones."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from generator import status
from generator.definition import SIZES
from generator.kubernetes import Node, node_of
from generator.topology import Machine, Topology


@dataclass(frozen=True)
class Seen:
    name: str
    running: bool = True
    console: str = ""
    address: str = "10.20.32.7"
    group: str = ""


def machine(name, role, components):
    pool = "general" if role == "worker" else ""
    return Machine(name, role, 1, pool, SIZES["small"], "amd64", "10.20.1.1", {}, (), components)


ETCD = machine("etcd1", "etcd", ("etcd",))
MASTER = machine("master1", "master", ("kube-apiserver", "kubelet", "kube-proxy"))
WORKER = machine("worker-1", "worker", ("kubelet", "kube-proxy"))
TOPOLOGY = Topology((ETCD, MASTER, WORKER))

BOOTED = "[    3.1] systemd[1]: hello\nanywhere: stage=boot t=12.0\r\nanywhere: stage=fetch t=14.52\r\n"
READY = BOOTED + "anywhere: stage=ready t=160.0 release=0123456789ab\n"


def node(name, ready=True):
    return Node(name, ready, "" if ready else "network plugin is not ready", "v1.37.2", "10.32.0.1")


def rows(observed, nodes):
    return {row.machine: row for row in status.table(TOPOLOGY, observed, nodes, "0123456789ab")}


def test_stage_marks_are_read_in_order():
    console = status.stages(BOOTED)
    assert console.marks == (("boot", 12.0), ("fetch", 14.52))
    assert console.stage == "fetch" and not console.failed


def test_a_failure_counts_until_progress_follows_it():
    failed = BOOTED + "anywhere: failed stage=images reason=no space left on device\r\n"
    console = status.stages(failed)
    assert (console.failed, console.reason) == ("images", "no space left on device")
    assert status.stages(failed + "anywhere: stage=images t=40\n").failed == ""


def test_a_machine_that_was_just_powered_on_has_said_nothing_yet():
    """Its console keeps what it said before: that is of another boot."""
    console = status.stages(READY + "anywhere: power-on\n[    0.0] Linux\n")
    assert (console.marks, console.release, console.dns) == ((), "", "")
    assert not rows([Seen("master1", console=READY + "anywhere: power-on\n")], [node("master1")])["master1"].converged


def test_a_reboot_begins_anew():
    assert status.stages(READY + "anywhere: stage=boot t=9.0\n").marks == (("boot", 9.0),)


@pytest.mark.parametrize("console", ["", "no marks at all\n", "anywhere: stage= t=\n", "anywhere: stage=boot t=soon\n"])
def test_a_console_without_marks_has_no_stage(console):
    assert status.stages(console).stage == ""


def test_a_whole_cluster_is_healthy():
    observed = [Seen("etcd1", console=READY), Seen("master1", console=READY), Seen("worker-1", console=READY)]
    found = rows(observed, [node("master1"), node("worker-1")])
    assert all(row.healthy for row in found.values())
    assert status.unready(tuple(found.values())) == ()
    assert found["worker-1"].version == "v1.37.2" and found["worker-1"].note == ""


def test_a_machine_that_runs_another_release_is_not_as_wanted():
    older = READY.replace("0123456789ab", "fedcba987654")
    row = rows([Seen("worker-1", console=older)], [node("worker-1")])["worker-1"]
    assert row.ready and not row.healthy and "another release" in row.note


def test_missing_stopped_and_extra_machines_are_told_apart():
    found = rows([Seen("master1", running=False), Seen("worker-9")], [])
    assert [(r.presence, r.running) for r in found.values()] == [
        ("missing", False),
        ("present", False),
        ("missing", False),
        ("extra", True),
    ]
    assert "apply` to create it" in found["etcd1"].note
    assert "starts it again" in found["master1"].note
    assert "removes it" in found["worker-9"].note
    assert not any(row.healthy for row in found.values())


def test_a_machine_that_does_not_run_is_not_ready_whatever_its_node_says():
    assert not rows([Seen("master1", running=False)], [node("master1")])["master1"].ready
    assert not rows([], [node("master1")])["master1"].ready
    assert rows([Seen("master1")], [node("master1")])["master1"].ready


def test_a_machine_of_etcd_alone_is_ready_by_its_stage():
    assert rows([Seen("etcd1", console=READY)], [])["etcd1"].ready is True
    behind = rows([Seen("etcd1", console=BOOTED)], [])["etcd1"]
    assert behind.ready is False and "anywhere-converge" in behind.note
    assert rows([Seen("etcd1")], [])["etcd1"].ready is None


def test_a_stage_that_is_tried_again_and_again_is_told_until_it_is_reached():
    """Stages before it come once more with each try, and would hide it."""
    tries = BOOTED + "anywhere: failed stage=network reason=nobody answers\nanywhere: stage=fetch t=50\n"
    console = status.stages(tries)
    assert (console.failed, console.retried, console.reason) == ("", "network", "nobody answers")
    assert status.stages(tries + "anywhere: stage=host t=51\n").retried == "network"
    assert status.stages(tries + "anywhere: failed stage=network reason=still\n").reason == "still"
    for over in ("stage=network t=60", "stage=etcd t=60", "stage=boot t=1", "waiting stage=network for=its turn"):
        console = status.stages(f"{tries}anywhere: {over}\n")
        assert (console.retried, console.reason) == ("", "")


def test_a_failed_stage_is_told_with_its_reason_and_a_remedy():
    console = BOOTED + "anywhere: failed stage=etcd reason=timeout\n"
    note = status.diagnose(MASTER, Seen("master1", console=console), None)
    assert note.startswith("Stage etcd failed: timeout.") and "ssh master1" in note


def test_a_node_that_is_not_ready_says_what_its_kubelet_says():
    note = status.diagnose(WORKER, Seen("worker-1", console=READY), node("worker-1", ready=False))
    assert note == "Its kubelet says: network plugin is not ready"


@pytest.mark.parametrize("stage", ["", *status.STAGES])
def test_every_stage_has_a_remedy_for_a_machine_without_a_node(stage):
    console = f"anywhere: stage={stage} t=1.0\n" if stage else ""
    assert "worker-1" in status.diagnose(WORKER, Seen("worker-1", console=console), None)


def test_certificates_are_sorted_by_their_end():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = status.expiries([("b", now + timedelta(days=9, hours=1)), ("a", now - timedelta(hours=1))], now)
    assert [(row.certificate, row.days) for row in found] == [("a", -1), ("b", 9)]


def test_a_node_is_read_from_its_object():
    item = {
        "metadata": {"name": "master1"},
        "status": {
            "conditions": [{"type": "Ready", "status": "False", "message": "no CNI"}],
            "addresses": [{"type": "InternalIP", "address": "10.32.0.2"}],
            "nodeInfo": {"kubeletVersion": "v1.37.2"},
        },
    }
    assert node_of(item) == Node("master1", False, "no CNI", "v1.37.2", "10.32.0.2")
    assert node_of({"metadata": {"name": "new"}}).reason == "the kubelet has not reported yet"


def test_workers_that_a_cloud_named_stand_for_those_of_their_pool():
    made = [Seen("worker-general-0abc", console=READY, group="worker-general")]
    found = rows(made, [node("worker-general-0abc")])
    assert "worker-1" not in found
    row = found["worker-general-0abc"]
    assert (row.presence, row.role, row.healthy, row.address) == ("present", "worker", True, "10.20.32.7")


def test_a_pool_that_grew_by_itself_has_no_extra_machines():
    made = [Seen(f"worker-general-{n}", console=READY, group="worker-general") for n in "ab"]
    found = rows(made, [node("worker-general-a"), node("worker-general-b")])
    assert [found[f"worker-general-{n}"].presence for n in "ab"] == ["present", "present"]


def test_a_worker_that_a_cloud_has_not_made_yet_is_missing():
    assert rows([], [])["worker-1"].presence == "missing"


def test_a_worker_that_its_group_is_to_make_has_no_name_and_no_address_yet():
    wanted = Topology((ETCD, MASTER, WORKER, WORKER)).grouped
    made = Seen("worker-general-0abc", console=READY, group="worker-general")
    ready, missing = status.table(wanted, [made], [node("worker-general-0abc")], "0123456789ab")[2:]
    assert (ready.machine, ready.address, ready.healthy) == ("worker-general-0abc", "10.20.32.7", True)
    assert (missing.machine, missing.role, missing.presence, missing.address) == (
        "worker-general-?",
        "worker",
        "missing",
        "",
    )
    assert "Its instance group creates it" in missing.note


def test_a_worker_of_a_pool_that_is_gone_is_extra():
    made = [Seen("worker-old-a", console=READY, group="worker-old")]
    assert rows(made, [])["worker-old-a"].presence == "extra"


def test_a_node_that_nobody_asked_for_is_neither_ready_nor_not():
    seen = [Seen(name, console=READY) for name in ("etcd1", "master1")] + [Seen("worker-1", console=BOOTED)]
    asked = {row.machine: row for row in status.table(TOPOLOGY, seen, None, "0123456789ab")}
    assert asked["master1"].ready is None and asked["master1"].note == "" and asked["master1"].healthy
    assert asked["worker-1"].ready is False and "docker" not in asked["worker-1"].note and not asked["worker-1"].healthy
