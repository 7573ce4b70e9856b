"""What `anywhere plan` shows for review: on a terminal, to a program, in a pull request. Plans are Terraform's own."""

import copy
import hashlib
import json
from pathlib import Path

import pytest

from generator import render, store
from generator.cli import plan_view
from generator.cli.plan_view import markdown, text
from generator.operations.review import Item, Review, Section
from generator.terraform import Change, Plan
from tests import golden
from tests.cli.target import READY, run
from tests.secrets_scan import values

RELEASE = golden.tree("quickstart")["documents/release.json"]
MACHINES = """
resource "terraform_data" "machine" {
  for_each = toset(["master1"])
  input    = "VALUE"
}

output "release" {
  value = file("${path.module}/documents/release.json")
}
"""


@pytest.fixture
def cluster(nowhere, monkeypatch):
    """A cluster that was applied with a release; what is returned is the next one, to be changed."""
    single = 'resource "terraform_data" "machine" {\n  input = "VALUE"\n}\n'
    main = nowhere.main.replace(single, "") + MACHINES
    now = json.loads(RELEASE)

    def tree(*args):
        return {"machines.tf": main.encode(), "documents/release.json": json.dumps(now).encode()}

    monkeypatch.setattr(render, "tree", tree)
    applied = hashlib.sha256(json.dumps(now).encode()).hexdigest()[:12]
    nowhere.console = READY.replace("t=160.0", f"t=160.0 release={applied}")
    assert run("apply", "--yes", "--timeout", "20") == 0
    return now


def upgrade(release):
    """Another image of the API server and kubelets, and two more flags of one."""
    before = copy.deepcopy(release["images"]["amd64"]["hyperkube"])
    image = release["images"]["amd64"]["hyperkube"]
    image |= {"id": "sha256:" + "f" * 64, "ref": "anywhere.local/hyperkube:v9.9.9"}
    server = next(p for p in release["roles"]["master"]["containers"] if p["component"] == "kube-apiserver")
    server["command"] += ["--one=1", "--two=2"]
    return f"image {before['ref'].rpartition(':')[2]} -> v9.9.9"


def test_a_plan_says_what_changes_inside_of_each_machine(cluster, capsys):
    said = upgrade(cluster)
    capsys.readouterr()
    assert run("plan") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    master, worker = lines.index("master1:"), lines.index("worker-general-1:")
    server = f"~ kube-apiserver {said}, 2 flags (--one, --two); restarted"
    assert master < lines.index(server) < worker < lines.index(f"~ kubelet {said}; restarted", worker)
    assert lines[-1] == "Plan: only outputs change."


def test_json_and_markdown_have_the_same_content_and_no_secret(cluster, definition, capsys):
    said = upgrade(cluster)
    capsys.readouterr()
    assert run("plan", "--json") == 0
    program = capsys.readouterr().out
    assert run("plan", "--markdown") == 0
    request = capsys.readouterr().out
    found = [
        f"| {section['title']} | `{item['subject']}` | {', '.join(item['details'])} |"
        for section in json.loads(program)["sections"]
        for item in section["items"]
    ]
    assert found and all(row in request for row in found) and said in request
    assert request.startswith("### Plan for cluster quickstart on local\n")
    for secret in values(store.read(definition, "quickstart").targets["local"]).values():
        assert secret not in program + request


def test_json_and_markdown_at_once_are_refused(definition, capsys):
    assert run("plan", "--json", "--markdown") == 1
    assert "cannot be given together" in capsys.readouterr().err


REVIEW = Review(
    Plan(Path("plan"), (Change('a.disk["etcd1"]', "delete"),), (Change("a.b", "update"),), False),
    (
        Section("etcd1", ("etcd1",), (Item("a.disk", (), "delete"),)),
        Section("master1", ("master1",), (Item("kubelet", ("1 flag (--x)",), "restarted"),)),
    ),
)


def test_what_is_destroyed_is_red_and_nothing_else(capsys, monkeypatch):
    red = [line for line in text(REVIEW).splitlines() if "\x1b[31m" in line]
    assert len(red) == 1 and "a.disk" in red[0] and "destroyed" in red[0]
    plan_view.show(REVIEW)
    assert "\x1b" not in capsys.readouterr().out  # nobody sees colours in a pipe


def test_what_is_destroyed_stands_out_in_a_pull_request():
    assert "| etcd1 | `a.disk` |  | **destroyed** |" in markdown(REVIEW, "Plan")
    assert "- `a.b` is not as it was left (update)" in markdown(REVIEW, "Plan")


def test_a_plan_that_asks_nobody_leaves_no_folder(nowhere, home, capsys):
    assert run("plan", "--offline") == 0
    assert "Plan: 1 to create." in capsys.readouterr().out and not (home / ".anywhere").exists()
