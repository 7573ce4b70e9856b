"""Machines by label, and their consoles."""

import pytest

from generator.errors import UserError
from providers.gce import machines
from providers.gce.machines import Consoles
from tests.gce.cloud import ZONES


@pytest.fixture
def fleet(cloud):
    """Three of the cluster's machines, and one of another whose name begins alike."""
    own = {"anywhere-cluster": "star-wars"}
    add(cloud, "star-wars-etcd1", 0, {**own, "anywhere-name": "etcd1", "anywhere-group": "etcd"}, "10.20.0.10")
    add(cloud, "star-wars-master1", 1, {**own, "anywhere-name": "master1", "anywhere-group": "master"}, "10.20.1.10")
    add(cloud, "star-wars-worker-general-x7f2", 2, {**own, "anywhere-group": "worker-general"}, "10.20.128.2")
    add(cloud, "star-wars-ii-master1", 1, {"anywhere-cluster": "star-wars-ii"}, "10.20.1.10")
    return cloud


def add(cloud, name, zone, labels, address):
    interface = {"networkIP": address}
    cloud.add("instances", name, ZONES[zone], labels=labels, status="RUNNING", networkInterfaces=[interface])


def observed(session, consoles=None, ssh=True):
    seen = machines.observe(session, "star-wars", consoles or Consoles(), ssh=ssh)
    return {machine.name: machine for machine in seen}


def test_machines_have_the_names_that_they_call_themselves(session, fleet):
    found = observed(session)
    assert {name: (m.address, m.running, m.group) for name, m in found.items()} == {
        "etcd1": ("10.20.0.10", True, ""),
        "master1": ("10.20.1.10", True, ""),
        "worker-general-x7f2": ("10.20.128.2", True, "worker-general"),
    }
    assert found["etcd1"].ssh[-2:] == ("star-wars-etcd1", "--") and "--tunnel-through-iap" in found["etcd1"].ssh
    assert observed(session, ssh=False)["etcd1"].ssh == ()


def test_a_stopped_machine_is_there_and_does_not_run(session, fleet):
    fleet.things["instances"][0]["status"] = "TERMINATED"
    assert observed(session)["etcd1"].running is False


def test_a_console_is_read_on_from_where_it_ended(session, fleet):
    consoles = Consoles()
    fleet.consoles["star-wars-etcd1"] = "anywhere: stage=boot t=9\n"
    assert observed(session, consoles)["etcd1"].console == "anywhere: stage=boot t=9\n"
    fleet.consoles["star-wars-etcd1"] += "anywhere: stage=ready t=99\n"
    assert observed(session, consoles)["etcd1"].console.endswith("t=9\nanywhere: stage=ready t=99\n")


@pytest.mark.parametrize("status", ["PENDING_STOP", "STOPPING", "DEPROVISIONING"])
def test_a_worker_that_its_group_takes_away_is_not_shown(session, fleet, status):
    for instance in fleet.things["instances"]:
        instance["status"] = status
    assert {name: m.running for name, m in observed(session).items()} == {"etcd1": False, "master1": False}


def test_a_machine_that_was_started_again_says_so(session, fleet):
    before = observed(session)["etcd1"].started
    assert observed(session)["etcd1"].started == before
    fleet.things["instances"][0]["lastStartTimestamp"] = "2026-11-24T09:00:00Z"
    assert observed(session)["etcd1"].started == 1795510800.0 != before


def test_a_worker_that_stands_stopped_is_shown(session, fleet):
    fleet.things["instances"][2]["status"] = "TERMINATED"
    assert observed(session)["worker-general-x7f2"].running is False


@pytest.mark.parametrize("changed", [{"id": "2"}, {"lastStartTimestamp": "2026-11-24T09:00:00Z"}])
def test_a_machine_made_or_started_anew_has_a_new_console(session, fleet, changed):
    consoles = Consoles()
    fleet.consoles["star-wars-etcd1"] = "old " * 50
    observed(session, consoles)
    fleet.things["instances"][0] |= changed
    fleet.consoles["star-wars-etcd1"] = "new"
    assert observed(session, consoles)["etcd1"].console == "new"


def test_a_machine_of_its_name_in_another_region_is_none_of_it(session, fleet):
    fleet.add("instances", "star-wars-etcd2", "us-east1-b", labels={"anywhere-cluster": "star-wars"}, status="RUNNING")
    fleet.things["instances"][-1]["zone"] = "projects/p/zones/us-east1-b"
    assert len(observed(session)) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 503])
def test_a_console_that_may_not_be_read_stops_nobody(session, fleet, status):
    fleet.refuse("GET .*/serialPort", status, "forbidden")
    assert observed(session)["etcd1"].console == ""


def test_machines_that_may_not_be_listed_are_an_error(session, fleet):
    fleet.refuse("GET .*/aggregated/instances", 403, "forbidden", "Required 'compute.instances.list' permission")
    with pytest.raises(UserError, match=r"Google denies compute.instances.list, which is") as caught:
        observed(session)
    assert "compute.instances.list" in caught.value.hint


def test_a_passing_fault_is_tried_again(session, fleet):
    fleet.refuse("GET .*/aggregated/instances", 429, "rateLimitExceeded", times=1)
    assert len(observed(session)) == 3


def test_no_machines(session, cloud):
    assert observed(session) == {} and cloud.asked[-1].endswith("/aggregated/instances")


def test_of_many_machines_those_read_longest_ago_are_read(session, fleet, monkeypatch):
    monkeypatch.setattr(machines, "MOST", 2)
    consoles = Consoles()
    for name in ("star-wars-etcd1", "star-wars-master1", "star-wars-worker-general-x7f2"):
        fleet.consoles[name] = f"{name}\n"
    said = [sorted(name for name, m in observed(session, consoles).items() if m.console) for _ in range(2)]
    assert said == [["etcd1", "master1"], ["etcd1", "master1", "worker-general-x7f2"]]


def test_a_console_is_asked_for_once_a_call(session, fleet):
    fleet.refuse("GET .*-etcd1/serialPort", 503, "backendError")
    observed(session)
    assert len([asked for asked in fleet.asked if asked.endswith("star-wars-etcd1/serialPort")]) == 1


def test_a_console_that_overflowed_is_what_google_kept_of_it(session, fleet):
    consoles = Consoles()
    fleet.consoles["star-wars-etcd1"] = "old "
    observed(session, consoles)
    fleet.lost["star-wars-etcd1"] = 100
    fleet.consoles["star-wars-etcd1"] = "x" * 100 + "new"
    assert observed(session, consoles)["etcd1"].console == "new"
