"""The machines that a cluster begins with: its etcd would wait for them for ever, so they must be those that come."""

import pytest

from generator import lock, render
from tests.cli.target import DEFINITION, run

THREE = ("master1", "master2", "master3")


@pytest.fixture
def rendered(nowhere, monkeypatch):
    """The founders of each tree that is rendered."""
    seen = []

    def tree(definition, locked, topology, *rest):
        seen.append(tuple(topology.founders))
        return {"machines.tf": nowhere.main.encode()}

    monkeypatch.setattr(render, "tree", tree)
    return seen


def enlarge(definition):
    definition.write_text(DEFINITION.replace("masters: {count: 1", "masters: {count: 3"))


def test_a_cluster_that_lives_keeps_those_that_it_began_with(rendered, definition):
    assert run("apply", "--yes", "--timeout", "20") == 0
    enlarge(definition)
    assert run("plan") == 0
    assert rendered[-1] == ("master1",)


def test_one_that_was_destroyed_begins_with_what_the_definition_has_now(rendered, definition, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert run("destroy", "--yes") == 0
    enlarge(definition)
    assert run("plan") == 0
    assert rendered[-1] == THREE


def test_one_that_was_never_applied_does_too(rendered, nowhere, definition):
    enlarge(definition)
    assert run("plan") == 0
    assert rendered[-1] == THREE
    nowhere.there = ("machine master1",)  # of a state that is elsewhere, whose machines are there
    assert run("plan") == 1
    assert rendered[-1] == ("master1",)


@pytest.mark.parametrize("verb", [("plan", "--frozen"), ("plan", "--save", "saved"), ("apply", "--yes", "--frozen")])
def test_who_resolves_nothing_refuses_a_lock_of_another_layout(rendered, definition, verb, capsys):
    enlarge(definition)
    assert run(*verb) == 1
    err = capsys.readouterr().err
    assert "is of a cluster that began with master1. Nothing of it is on local" in err
    assert "begins with master1, master2, master3" in err and "anywhere images lock" in err
    assert rendered == []


def test_each_target_has_its_own(nowhere, definition):
    path = lock.path_beside(definition)
    known = lock.read(path)
    text = path.read_text().replace("founders:\n  local:\n  - master1\n", "founders:\n- master1\n")
    assert text != path.read_text()
    path.write_text(text)  # as an earlier version wrote it
    assert lock.read(path).founders == known.founders == {"local": ("master1",)}
