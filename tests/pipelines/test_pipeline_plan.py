"""plan.sh and comment.sh: what a pull request is told."""

import hashlib
import re

import pytest

from generator import lock
from tests.cli.target import DEFINITION
from tests.pipelines.forge import BOT

github = pytest.mark.parametrize("system", ["github"], indirect=True)
SAVED = re.compile(r"^Saved plan: sha256:(\w+)$", re.M)


def comment(folder):
    return (folder / "plan" / "comment.md").read_text()


def test_a_request_gets_one_comment_that_shows_the_plan_and_its_digest(ci, forge):
    theirs = forge.comment("<!-- anywhere plan: cluster.yaml on local -->\nSaved plan: sha256:mine\n", author="mallory")
    for _ in range(100):
        forge.comment("I think that ...", author="mallory")
    folder = ci.request("more", cluster_yaml=DEFINITION + "# a remark\n")
    ci.run(folder, "comment.sh", "3", with_key=False)  # again, as when a run is repeated
    (own,) = [found for found in forge.comments if found["user"]["login"] == BOT]
    assert "### Plan for cluster quickstart on local" in own["body"] and "| `terraform_data.machine` |" in own["body"]
    saved = (folder / "plan" / "saved.plan").read_bytes()
    assert SAVED.findall(own["body"]) == [hashlib.sha256(saved).hexdigest()]
    assert theirs["body"].endswith("mine\n") and ci.state() == ""


@github
def test_a_plan_says_whether_anything_changes_and_is_applied_by_its_digest(ci):
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", status=2, with_key=False)
    assert (folder / "plan" / "status").read_text() == "2\n" and "Plan: 1 to create." in comment(folder)
    assert (ci.root / f"{folder.name}.summary").read_text() == comment(folder)
    sha256 = (folder / "plan" / "sha256").read_text().strip()
    assert "The cluster is ready." in ci.run(folder, "apply.sh", PLAN_SHA256=sha256)
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", with_key=False)
    assert (folder / "plan" / "status").read_text() == "0\n" and "No changes" in comment(folder)


@github
def test_without_a_plan_the_comment_says_why(ci):
    folder = ci.request("wrong", status=1, cluster_yaml=DEFINITION.replace("masters", "mastres"))
    assert comment(folder).startswith("<!-- anywhere plan: cluster.yaml on local -->\n### No plan for cluster.yaml")
    assert "cluster.yaml:6: spec.mastres" in comment(folder) and "hint: Fix cluster.yaml" in comment(folder)
    assert not SAVED.search(comment(folder)) and not (folder / "plan" / "saved.plan").exists()


@github
def test_a_lock_that_does_not_follow_is_said_to_be_made(ci):
    path = lock.path_beside(ci.mine / "cluster.yaml")
    ci.branch("unlocked", cluster_yaml=DEFINITION.replace("spec:\n", "spec:\n  kubernetes: {version: v1.37.1}\n"))
    folder = ci.checkout("unlocked")
    ci.run(folder, "plan.sh", status=1, with_key=False)
    assert "anywhere images lock" in comment(folder) and path.exists()


@github
def test_a_plan_that_is_too_long_for_a_comment_keeps_its_digest(ci):
    row = "| cluster | `terraform_data.machine` |  | created |"
    ci.stand_in(f"[ $1 = validate ] && exit; touch $4; yes '{row}' | head -n 2000; exit 2")
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", status=2, with_key=False)
    lines = comment(folder).splitlines()
    assert len(comment(folder)) < 65536 < (folder / "plan" / "review.md").stat().st_size
    assert set(lines[1:-4]) == {row} and SAVED.search(lines[-1])
    assert lines[-3] == "The rest does not fit here: see review.md in the artifact of this run."


@github
def test_problems_that_are_too_long_for_a_comment_are_cut_off(ci):
    ci.stand_in("echo error: of many >&2; yes 'cluster.yaml:6: wrong' | head -n 5000 >&2; exit 1")
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", status=1, with_key=False)
    first, *lines = comment(folder).split("````\n")[1].splitlines()
    assert first == "error: of many" and set(lines[:-2]) == {"cluster.yaml:6: wrong"} and len(comment(folder)) < 65536
    assert "The rest does not fit here" in lines[-1] and comment(folder).endswith("\n````\n")


@github
def test_without_a_target_nothing_is_planned(ci):
    calls = ci.stand_in("exit 0")
    said = ci.run(ci.checkout("main"), "plan.sh", status=1, ANYWHERE_PROVIDER="")  # as where nobody set the variable
    assert said.startswith("error: ANYWHERE_PROVIDER is not set.\nhint: Set") and not calls.exists()


@github
def test_a_plan_that_may_destroy_says_of_which_machine(ci):
    calls = ci.stand_in("[ $1 = validate ]")
    ci.run(ci.checkout("main"), "plan.sh", status=1, MAY_DESTROY="etcd4 master2")
    validated, planned = calls.read_text().splitlines()
    assert validated == "validate cluster.yaml --provider local"
    assert planned.startswith("plan cluster.yaml --save plan/saved.plan --markdown --detailed-exitcode ")
    assert planned.endswith(" --may-destroy etcd4 --may-destroy master2")
