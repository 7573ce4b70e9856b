"""`anywhere rollout`: what the masters say of a release, and asking them to try again."""

import json

import pytest

from generator.operations import release_progress
from generator.operations.release_progress import RESUME, STATUS
from tests.cli.target import run
from tests.test_kubernetes import Api

SAID = {
    "release": "0123456789ab", "kubernetes": "v1.37.2", "etcd": "42", "members": ["etcd1"], "left": [],
    "retired": [], "stuck": {}, "halted": [],
}  # fmt: skip
HALT = {"machine": "master1", "component": "kubelet", "reason": "not ready"}


@pytest.fixture
def say(nowhere, monkeypatch):
    """A cluster that was applied, and what its masters say; what is different is given."""
    assert run("apply", "--yes", "--timeout", "20") == 0

    def say(**different):
        status = {"data": {"status": json.dumps(SAID | different)}}
        monkeypatch.setattr(Api, "answers", Api.answers | {STATUS: json.dumps(status).encode()})

    return say


@pytest.mark.parametrize(
    ("different", "code", "lines"),
    [
        ({}, 0, ["Release 0123456789ab runs on every machine."]),
        ({"left": ["master2", "worker-a-1"]}, 1, ["Release 0123456789ab is not complete yet on: master2, worker-a-1."]),
        (
            {"left": ["worker-a-1"], "stuck": {"worker-a-1": "a budget forbids it"}, "halted": [HALT]}, 1,
            ["Halted: master1 put kubelet back, as its new version did not work: not ready",
             "Waiting: worker-a-1: a budget forbids it",
             "Release 0123456789ab is not complete yet on: worker-a-1."],
        ),
    ],
)  # fmt: skip
def test_how_far_a_release_is(say, capsys, different, code, lines):
    say(**different)
    capsys.readouterr()
    assert run("rollout", "status") == code
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("verb", [("status",), ("doctor",), ("apply", "--yes", "--timeout", "0")])
def test_a_node_that_still_lacks_something_of_the_release_is_not_as_wanted(say, capsys, verb):
    say(left=["worker-a-1"], stuck={"worker-a-1": "a budget forbids it"})
    capsys.readouterr()
    assert run(*verb) == 1
    printed = capsys.readouterr()
    assert "rollout: Waiting: worker-a-1: a budget forbids it. Release 0123" in printed.out + printed.err


def test_masters_that_have_said_nothing_yet(say, capsys):
    capsys.readouterr()
    assert run("rollout", "status") == 1
    assert capsys.readouterr().out == "The masters have not said yet how far the release is.\n"


def test_a_person_has_it_tried_again(say, monkeypatch, capsys):
    told = {}
    monkeypatch.setattr(release_progress.Client, "patch", lambda self, path, change: told.update({path: change}))
    assert run("rollout", "resume") == 0
    assert told == {STATUS: {"metadata": {"annotations": {RESUME: "yes"}}}}
    assert "The machines try again" in capsys.readouterr().out
