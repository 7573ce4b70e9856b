"""`anywhere graph`: what it takes, what it prints, and that it asks nobody."""

import io
import json
import socket
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from generator import lock, schema
from generator.lock import Base, Lock
from tests.cli.target import DEFINITION, run
from tests.pictures import ROOT

AWS = "providers: {aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}}\n"
GCE = "providers: {gce: {project: my-project, region: europe-west1, admin_cidrs: [203.0.113.0/24]}}\n"
EMPTY = {"changes": [], "drift": [], "counts": {}, "empty": True, "sections": [], "notices": [], "remarks": []}


@pytest.fixture(autouse=True)
def nobody_to_ask(monkeypatch):
    def connect(*args):
        raise AssertionError("asked somebody")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.mark.parametrize(
    ("words", "begins"), [((), "<svg "), (("--format", "mermaid"), "flowchart TB\n"), (("--format", "dot"), "digraph ")]
)
@pytest.mark.parametrize("target", ["local", "aws", "gce"])
def test_it_draws_and_writes_nothing(definition, home, words, begins, target, capsys):
    definition.write_text(DEFINITION + {"local": "", "aws": AWS, "gce": GCE}[target])
    before = sorted(home.rglob("*"))
    assert run("graph", "--provider", target, *words) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(begins) and "master1" in printed.out and printed.err == ""
    assert sorted(home.rglob("*")) == before


def test_an_svg_is_whole(definition, capsys):
    assert run("graph") == 0
    ElementTree.fromstring(capsys.readouterr().out)


def test_the_lock_says_what_the_definition_leaves_open(definition, capsys):
    definition.write_text(DEFINITION + AWS)
    loaded = schema.load(definition)
    facts = {"aws": {"region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"], "images": {}}}
    known = Lock(loaded.kubernetes, "flannel", {"amd64": {}}, Base("debian-archive", "c" * 64), {"general": 3}, facts)
    path = lock.path_beside(definition)
    lock.write(path, known)
    assert run("graph", "--provider", "aws", "--format", "dot") == 0
    out = capsys.readouterr().out
    assert 'label="eu-west-1a"' in out and "in all zones" in out and "Pod network: flannel, encrypted" in out
    lock.write(path, replace(known, facts={"aws": {**facts["aws"], "region": "eu-north-1"}}))
    assert run("graph", "--provider", "aws", "--format", "dot") == 0
    assert "eu-west-1a" not in (out := capsys.readouterr().out) and "in zones that the lock will name" in out


def test_a_definition_that_is_wrong_is_refused(definition, capsys):
    definition.write_text(DEFINITION.replace("masters", "mastres"))
    assert run("graph") == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "cluster.yaml:6: spec.mastres" in printed.err


def test_a_target_that_the_definition_lacks_is_refused(definition, capsys):
    assert run("graph", "--provider", "aws") == 1
    assert "it has no providers.aws" in capsys.readouterr().err


def test_a_format_that_there_is_not_is_named(definition, capsys):
    assert run("graph", "--format", "png") == 1
    assert "'png' is not one of 'svg', 'mermaid', 'dot'" in capsys.readouterr().err


def test_a_plan_is_read_from_a_file_or_from_standard_input(definition, home, capsys, monkeypatch):
    item = {"subject": "anywhere_machine.machine", "details": [], "effect": "create"}
    sections = [{"title": "master1", "machines": ["master1"], "items": [item]}]
    text = json.dumps({**EMPTY, "sections": sections})
    (home / "plan.json").write_text(text)
    assert run("graph", "--plan", "plan.json", "--format", "mermaid") == 0
    from_file = capsys.readouterr().out
    assert 'master1["(+) master1' in from_file and '(+) created"' in from_file
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert run("graph", "--plan", "-", "--format", "mermaid") == 0
    assert capsys.readouterr().out == from_file


@pytest.mark.parametrize("content", [b"", b"Plan: 1 to create.", b"\xff\xfe"])
def test_what_is_no_plan_is_refused_with_what_to_do(definition, home, content, capsys):
    (home / "plan.json").write_bytes(content)
    assert run("graph", "--plan", "plan.json") == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "plan.json" in printed.err and "hint: " in printed.err


def test_a_plan_that_is_not_there_is_named(definition, capsys):
    assert run("graph", "--plan", "absent.json") == 1
    assert "absent.json: No such file or directory." in capsys.readouterr().err


def test_the_picture_in_the_docs_is_of_the_example(capsys, monkeypatch, tmp_path):
    copy = tmp_path / "cluster.yaml"
    copy.write_text((ROOT / "examples" / "star-wars" / "cluster.yaml").read_text())
    assert run("graph", copy, "--provider", "aws") == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "star-wars.svg").read_text()
