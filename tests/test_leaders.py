"""Leases, look by look: only whether they change counts, and only this computer's clock."""

from generator.operations.leaders import COMPONENTS, RENEWAL_SECONDS, Leaders
from generator.workloads import Lease


def leases(renewed, holder="master1", transitions=3):
    return [Lease(name, holder, renewed, transitions) for name in COMPONENTS]


def ok(leaders):
    return [check.ok for check in leaders.checks()]


def test_a_first_look_tells_nothing():
    leaders = Leaders()
    leaders.look(leases("2026-01-01T00:00:00Z"), 100)
    assert ok(leaders) == [False, False] and not leaders.renewed


def test_a_lease_that_is_renewed_is_held_whatever_time_it_says():
    """The leader's clock may be years off, and may be set back."""
    leaders = Leaders()
    leaders.look(leases("2026-01-01T00:00:00Z"), 100)
    leaders.look(leases("1999-01-01T00:00:00Z"), 105)
    assert ok(leaders) == [True, True] and leaders.renewed
    assert "master1 leads, after 3 changes of leader" in leaders.checks()[0].detail


def test_a_lease_that_stands_still_is_not():
    leaders = Leaders()
    for renewed, now in (("a", 100), ("b", 105), ("b", 105 + RENEWAL_SECONDS + 1)):
        leaders.look(leases(renewed), now)
    assert ok(leaders) == [False, False]
    check = leaders.checks()[0]
    assert "has not renewed its lease for 46 s" in check.detail and "ssh master1" in check.hint


def test_a_leader_that_changes_is_not_trusted_for_a_while():
    leaders = Leaders()
    leaders.look(leases("a"), 100)
    leaders.look(leases("b", "master2", 4), 105)
    assert ok(leaders) == [False, False] and "It lost its lease just now" in leaders.checks()[0].detail
    leaders.look(leases("c", "master2", 4), 105 + RENEWAL_SECONDS + 1)
    assert ok(leaders) == [True, True]


def test_a_leader_that_comes_back_under_its_name_has_lost_its_lease_too():
    leaders = Leaders()
    leaders.look(leases("a"), 100)
    leaders.look(leases("b", transitions=4), 105)
    assert ok(leaders) == [False, False]


def test_where_nobody_ever_led_that_is_said():
    leaders = Leaders()
    leaders.look([Lease("apiserver-x", "x", "a", 0)], 100)
    assert [check.detail for check in leaders.checks()] == ["No instance of it leads."] * 2
