"""apply.sh: exactly the plan that was reviewed, or nothing."""

import pytest

from tests.cli.target import DEFINITION
from tests.pipelines.ci import git

REMARK = DEFINITION + "# a remark\n"
github = pytest.mark.parametrize("system", ["github"], indirect=True)


def test_what_was_reviewed_is_applied_once_it_is_merged(ci):
    ci.request("remark", cluster_yaml=REMARK)
    folder = ci.checkout(ci.merge("remark"))
    said = ci.run(folder, "apply.sh")
    assert "Plan: 1 to create." in said and "The cluster is ready." in said and '"VALUE"' in ci.state()
    assert "as they were committed" in ci.run(folder, "writeback.sh")
    after = ci.state()  # and only once, whoever runs the job again
    assert "the state changed after it was made" in ci.run(ci.checkout("main"), "apply.sh", status=1)
    assert ci.state() == after


def test_a_plan_is_refused_where_main_moved_and_the_way_on_is_named(ci, system):
    ci.request("remark", cluster_yaml=REMARK)
    git(ci.mine, "checkout", "--quiet", "main")
    (ci.mine / "cluster.yaml").write_text("# first\n" + DEFINITION)
    ci.push("Another change")
    said = ci.run(ci.checkout(ci.merge("remark")), "apply.sh", status=1)
    assert "plan/saved.plan is out of date: the definition changed after it was made." in said
    assert {"github": "Run the workflow `replan`", "gitlab": "`apply-by-hand`"}[system] in said and ci.state() == ""


def test_a_plan_that_is_not_the_one_in_the_comment_is_not_applied(ci, forge):
    folder = ci.request("remark", cluster_yaml=REMARK)
    (folder / "plan" / "saved.plan").write_bytes((folder / "plan" / "saved.plan").read_bytes() + b"more")
    forge.keep(git(ci.mine, "rev-parse", "remark"), folder / "plan")
    said = ci.run(ci.checkout(ci.merge("remark")), "apply.sh", status=1)
    assert "The plan that was kept of pull request 3 is not the one in its comment (sha256:" in said
    assert "cluster quickstart" not in said and ci.state() == ""


def test_without_a_plan_of_the_last_commit_nothing_is_applied(ci, forge):
    ci.request("remark", cluster_yaml=REMARK)
    git(ci.mine, "checkout", "--quiet", "remark")
    (ci.mine / "cluster.yaml").write_text(REMARK + "# added after the review\n")
    head = ci.push("Add more", "remark")
    git(ci.mine, "checkout", "--quiet", "main")
    said = ci.run(ci.checkout(ci.merge("remark")), "apply.sh", status=1)
    assert f"error: No plan was kept of {head}, the last commit of pull request 3." in said
    (ci.mine / "cluster.yaml").write_text(DEFINITION)
    said = ci.run(ci.checkout(ci.push("Past every review")), "apply.sh", status=1)
    assert "error: No pull request was merged by this commit" in said and ci.state() == ""


def test_where_the_service_cannot_be_asked_nothing_is_applied(ci, system):
    ci.request("remark", cluster_yaml=REMARK)
    folder = ci.checkout(ci.merge("remark"))
    gone = {"FORGE_URL": "http://127.0.0.1:9", "CI_API_V4_URL": "http://127.0.0.1:9/api/v4"}
    said = ci.run(folder, "apply.sh", status={"github": 1, "gitlab": 7}[system], **gone)  # of gh, and of curl
    assert "cluster quickstart" not in said and ci.state() == ""


@github
def test_of_two_applies_at_once_one_is_refused(ci):
    ci.request("remark", cluster_yaml=REMARK)
    merged = ci.merge("remark")
    running = [ci.start(ci.checkout(merged), "apply.sh") for _ in range(2)]
    said = {process.communicate(timeout=300)[0]: process.returncode for process in running}
    assert sorted(said.values()) == [0, 1], said
    (refused,) = [text for text, status in said.items() if status]
    assert "the state changed after it was made" in refused or "lock" in refused
    assert ci.state().count('"terraform_data"') == 1 and '"serial": 1' in ci.state()


@github
def test_a_plan_that_was_made_by_hand_is_applied_by_its_digest(ci):
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", status=2, with_key=False)
    sha256 = (folder / "plan" / "sha256").read_text().strip()
    said = ci.run(folder, "apply.sh", status=1, PLAN_SHA256="0" * 64)
    assert "plan/saved.plan is not the plan that was made" in said and ci.state() == ""
    assert "The cluster is ready." in ci.run(folder, "apply.sh", PLAN_SHA256=sha256)


@github
def test_a_plan_that_changes_nothing_takes_no_apply(ci):
    folder = ci.checkout("main")
    ci.run(folder, "plan.sh", status=2, with_key=False)
    (folder / "plan" / "status").write_text("0\n")
    sha256 = (folder / "plan" / "sha256").read_text().strip()
    assert "nothing to apply" in ci.run(folder, "apply.sh", with_key=False, PLAN_SHA256=sha256)
    assert ci.state() == ""
