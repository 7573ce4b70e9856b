"""Waiting for machines: what ends it beside their being Ready."""

from types import SimpleNamespace

import pytest

import providers
from generator import status
from generator.errors import UserError
from generator.kubernetes import UnreachableError
from generator.operations import cluster_api, patience, readiness
from providers import Observed
from tests import golden

READY = "anywhere: stage=boot t=9.0\nanywhere: stage=ready t=160.0 release=0123456789ab\n"


class Unreachable:
    def __init__(self, clock):
        self.pause = clock.sleep

    def nodes(self):
        raise UnreachableError("The Kubernetes API at https://10.20.1.10:6443 does not answer: timed out.")

    def close(self):
        pass


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    time = monotonic

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def ended(monkeypatch):
    """How waiting for star-wars ends where the API is not reached, and after how long.

    `console` is what every machine says, or a function of the time.
    """

    def run(console, timeout, target="aws"):
        made, topology, clock = providers.load(target), golden.load("star-wars")[2], Clock()
        monkeypatch.setattr(patience, "time", clock)
        monkeypatch.setattr(cluster_api, "client", lambda path: Unreachable(clock))

        def observe(definition):
            said = console(clock.now) if callable(console) else console
            return tuple(
                Observed(machine.name, True, machine.address, said, group=machine.group if machine.pool else "")
                for machine in topology.machines
            )

        provider = SimpleNamespace(
            name=made.name, manages_workers=True, poll=3.0, observe=observe, api_remedy=made.api_remedy
        )
        project = SimpleNamespace(definition=None, provider=provider, release="0123456789ab")
        with pytest.raises(UserError) as caught:
            readiness.wait(project, topology, None, SimpleNamespace(board=lambda lines: None), timeout)
        return caught.value, clock.now

    return run


def test_an_api_that_this_computer_does_not_reach_is_not_waited_for(ended):
    error, seconds = ended(READY, 1800)
    assert error.message.startswith("Every machine says that it is ready, but this computer does not reach the API.")
    assert "10.20.1.10:6443" in error.message and "providers.aws.load_balancer: true" in error.hint
    assert patience.UNREACHABLE_SECONDS < seconds < 1800


def test_each_target_says_how_its_api_is_reached(ended):
    assert "VPN" in ended(READY, 1800, "gce")[0].hint
    hint = ended(READY, 1800, "local")[0].hint
    assert "VPN" not in hint and "load_balancer" not in hint and "anywhere-front" in hint


@pytest.mark.parametrize("console", ["anywhere: stage=kube-apiserver t=1\n", READY.replace("0123456789ab", "another")])
def test_machines_that_are_not_done_are_waited_for(ended, console):
    error, seconds = ended(console, 1800)
    assert error.message.startswith("The cluster is not Ready, and nothing has changed for") and seconds > 1800


def marks(*stages):
    return "".join(f"anywhere: stage={stage} t={number}\n" for number, stage in enumerate(stages))


def test_machines_that_are_slow_but_move_are_waited_for(ended):
    """Each stage takes almost as long as the patience, and the time counts anew from each."""

    def console(now):
        return marks(*status.STAGES[: 1 + int(now // 900)])

    error, seconds = ended(console, 1000)
    last = 900 * (len(status.STAGES) - 1)
    assert "and nothing has changed for" in error.message and last + 1000 < seconds <= last + 1010


def test_a_boot_without_stages_yet_moves_too(ended):
    lines = [f"[{100 * n}.5] systemd[1]: started {name}\n" for n, name in enumerate("abcdefgh")]
    _, seconds = ended(lambda now: "".join(lines[: 1 + int(now // 100)]), 150)
    assert 700 + 150 < seconds <= 700 + 160


@pytest.mark.parametrize(
    "again",
    [
        "anywhere: stage=boot t={now}.5\n",
        "[{now}.123456] Kernel panic - not syncing: at 0xdeadbeef{now}\n",
        "anywhere: stage=ready t={now} release=fedcba987654\n",
    ],
)
def test_what_repeats_itself_is_no_progress(ended, again):
    def console(now):
        return "".join(again.format(now=then) for then in range(0, int(now) + 1, 60))

    _, seconds = ended(console, 600)
    assert 600 < seconds < 700


def test_a_stage_that_fails_in_every_pass_is_given_up(ended):
    """Between two failures the machine goes through the stages before once more."""

    def console(now):
        passed = "".join(
            marks("fetch", "host") + f"anywhere: failed stage=images reason=HTTP 403, attempt {then}\n"
            for then in range(0, int(now) - 29, 60)
        )
        return passed + (marks("fetch", "host") if now % 60 < 30 else "")

    error, seconds = ended(console, 3000)
    assert "Stage images failed: HTTP 403" in error.message and "failed for 120 s" in error.message
    assert 240 < seconds < 400


def test_a_failure_that_a_later_stage_follows_is_forgotten(ended):
    def console(now):
        text = marks("fetch") + "anywhere: failed stage=images reason=no space\n"
        return text + (marks("fetch", "images") if now > 100 else "")

    error, seconds = ended(console, 600)
    assert "and nothing has changed for" in error.message and seconds > 700


def test_clouds_keep_only_the_end_of_a_console(ended):
    """What is cut off in front makes nothing new of the rest."""
    lines = [f"line {letter}\n" for letter in "abcdefghij"]
    _, seconds = ended(lambda now: "".join(lines[min(9, int(now // 100)) :]), 600)
    assert 600 < seconds < 610
