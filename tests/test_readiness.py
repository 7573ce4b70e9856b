"""Waiting for machines: what ends it beside their being Ready."""

from types import SimpleNamespace

import pytest

from generator.errors import UserError
from generator.kubernetes import UnreachableError
from generator.operations import cluster_api, patience, readiness
from providers import Observed
from tests import golden

READY = "anywhere: stage=boot t=9.0\nanywhere: stage=ready t=160.0 release=0123456789ab\n"


class Unreachable:
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
    """How waiting for star-wars ends where the API is not reached and consoles say this, and after how long."""

    def run(console, timeout):
        topology, clock = golden.load("star-wars")[2], Clock()
        for module in (patience, readiness):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(cluster_api, "client", lambda path: Unreachable())
        observed = tuple(
            Observed(machine.name, True, machine.address, console, group=machine.group if machine.pool else "")
            for machine in topology.machines
        )
        provider = SimpleNamespace(name="aws", manages_workers=True, poll=3.0, observe=lambda definition: observed)
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


@pytest.mark.parametrize("console", ["anywhere: stage=kube-apiserver t=1\n", READY.replace("0123456789ab", "another")])
def test_machines_that_are_not_done_are_waited_for(ended, console):
    error, seconds = ended(console, 1800)
    assert error.message.startswith("The cluster is not Ready, and nothing has changed for") and seconds > 1800
