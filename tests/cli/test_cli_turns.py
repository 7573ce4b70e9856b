"""An apply that stops machines of the control plane, from its plan to its end."""

import io
import json
import sys

import pytest

from generator.cli.phases import Phases
from generator.operations import retirement
from providers import Observed
from tests.cli.target import DEFINITION, READY, run


@pytest.fixture
def pair(nowhere, definition, monkeypatch):
    """A cluster that was applied, with etcd on a machine of its own, and a change of both machines that is not yet."""
    definition.write_text(DEFINITION.replace("etcd: {count: 0}", "etcd: {count: 1}"))
    usual, each = nowhere.observe, 'terraform_data" "machine" {\n  for_each = toset(["etcd1", "master1"])'
    etcd1 = Observed("etcd1", True, "127.0.0.1", READY)
    monkeypatch.setattr(nowhere, "observe", lambda definition: (*usual(definition), etcd1), raising=False)
    nowhere.main = nowhere.main.replace('terraform_data" "machine" {', each)
    assert run("apply", "--yes", "--timeout", "20") == 0
    nowhere.main = nowhere.main.replace("VALUE", "OTHER")
    return nowhere


def test_apply_takes_turns_once_somebody_agreed_to_the_whole(pair, capsys, monkeypatch):
    titles = []
    monkeypatch.setattr(Phases, "_enter", lambda self, title: titles.append(title))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    capsys.readouterr()
    assert run("apply") == 1
    assert "2 to update.\nThe control plane's machines are taken one at a time" in capsys.readouterr().out
    assert titles[-1] == "plan"
    assert run("apply", "--yes", "--timeout", "20") == 0
    each = [title for name in ("etcd1", "master1") for title in (f"change {name}", f"wait for {name} to be Ready")]
    waits = ["wait for every machine to be Ready", "wait until the cluster works"]
    last = ["plan", "apply", *waits]
    assert titles[-len(each + last) :] == [*each, *last]
    assert run("plan", "--detailed-exitcode") == 0


def test_machines_that_go_leave_the_control_plane_before_they_are_destroyed(pair, home, capsys, monkeypatch):
    pair.main = pair.main.replace("OTHER", "VALUE").replace('["etcd1", "master1"]', '["master1"]')
    state, left = home / ".anywhere" / "quickstart-local" / "terraform.tfstate", []

    def leave(workspace, plan, *_):
        assert "etcd1" in state.read_text()
        left.extend(retirement.leaving(workspace, plan))
        return plan

    monkeypatch.setattr(retirement, "run", leave)
    run("apply", "--yes", "--may-destroy", "etcd1", "--timeout", "20")
    assert left == ["etcd1"] and "etcd1" not in state.read_text()


def test_plan_says_that_it_takes_turns_and_a_program_gets_json_alone(pair, capsys):
    capsys.readouterr()
    assert run("plan") == 0
    assert capsys.readouterr().out.endswith("each once the others are Ready: etcd1, master1.\n")
    assert run("plan", "--json") == 0
    json.loads(capsys.readouterr().out)
