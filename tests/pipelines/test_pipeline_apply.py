"""apply.sh: exactly the plan that was reviewed, or nothing."""

import hashlib

import pytest

from tests.cli.target import DEFINITION
from tests.pipelines.ci import REMARK, git

github = pytest.mark.parametrize("system", ["github"], indirect=True)


def test_what_was_reviewed_is_applied_once_it_is_merged(reviewed):
    folder = reviewed.checkout(reviewed.merge("remark"))
    said = reviewed.run(folder, "apply.sh")
    assert "Plan: 1 to create." in said and "The cluster is ready." in said and '"VALUE"' in reviewed.state()
    assert "as they were committed" in reviewed.run(folder, "writeback.sh")
    after = reviewed.state()  # and only once, whoever runs the job again
    assert "the state changed after it was made" in reviewed.run(reviewed.checkout("main"), "apply.sh", status=1)
    assert reviewed.state() == after


def test_a_plan_is_refused_where_main_moved_and_the_way_on_is_named(reviewed, system):
    git(reviewed.mine, "checkout", "--quiet", "main")
    (reviewed.mine / "cluster.yaml").write_text("# first\n" + DEFINITION)
    reviewed.push("Another change")
    said = reviewed.run(reviewed.checkout(reviewed.merge("remark")), "apply.sh", status=1)
    assert "plan/saved.plan is out of date: the definition changed after it was made." in said
    assert {"github": "Run the workflow `replan`", "gitlab": "`apply-by-hand`"}[system] in said
    assert reviewed.state() == ""


def test_a_plan_that_is_not_the_one_in_the_comment_is_not_applied(reviewed, forge):
    folder = reviewed.asked
    (folder / "plan" / "saved.plan").write_bytes((folder / "plan" / "saved.plan").read_bytes() + b"more")
    forge.keep(git(reviewed.mine, "rev-parse", "remark"), folder / "plan")
    said = reviewed.run(reviewed.checkout(reviewed.merge("remark")), "apply.sh", status=1)
    assert "The plan that was kept of pull request 3 is not the one in its comment (sha256:" in said
    assert "Plan:" not in said and reviewed.state() == ""


def test_without_a_plan_of_the_last_commit_nothing_is_applied(reviewed, forge):
    git(reviewed.mine, "checkout", "--quiet", "remark")
    (reviewed.mine / "cluster.yaml").write_text(REMARK + "# added after the review\n")
    head = reviewed.push("Add more", "remark")
    git(reviewed.mine, "checkout", "--quiet", "main")
    said = reviewed.run(reviewed.checkout(reviewed.merge("remark")), "apply.sh", status=1)
    assert f"error: No plan was kept of {head}, the last commit of pull request 3." in said
    (reviewed.mine / "cluster.yaml").write_text(DEFINITION)
    said = reviewed.run(reviewed.checkout(reviewed.push("Past every review")), "apply.sh", status=1)
    assert "error: No pull request was merged by this commit" in said and reviewed.state() == ""


def test_where_the_service_cannot_be_asked_nothing_is_applied(reviewed, system):
    folder = reviewed.checkout(reviewed.merge("remark"))
    gone = {"FORGE_URL": "http://127.0.0.1:9", "CI_API_V4_URL": "http://127.0.0.1:9/api/v4"}
    said = reviewed.run(folder, "apply.sh", status={"github": 1, "gitlab": 7}[system], **gone)  # of gh, and of curl
    assert "Plan:" not in said and reviewed.state() == ""


def test_a_repository_of_several_clusters_has_a_plan_of_each(reviewed, forge):
    """Each has a workflow, or a job, of its own."""
    forge.source = "plan-prod"
    folder = reviewed.checkout(reviewed.merge("remark"))
    assert "error: No plan was kept of" in reviewed.run(folder, "reviewed.sh", status=1)
    said = reviewed.run(folder, "reviewed.sh", PLAN_WORKFLOW="plan-prod.yml", PLAN_JOB="plan-prod")
    assert said.strip() == (reviewed.asked / "plan" / "sha256").read_text().strip()


@github
def test_of_two_applies_at_once_one_is_refused(reviewed):
    merged = reviewed.merge("remark")
    running = [reviewed.start(reviewed.checkout(merged), "apply.sh") for _ in range(2)]
    said = {process.communicate(timeout=300)[0]: process.returncode for process in running}
    assert sorted(said.values()) == [0, 1], said
    (refused,) = [text for text, status in said.items() if status]
    locked = "Error acquiring the state lock" in refused  # where the other was just writing
    assert locked or ("is out of date: the state changed after it was made." in refused and "`replan`" in refused)
    assert reviewed.state().count('"terraform_data"') == 1 and '"serial": 1' in reviewed.state()


@github
def test_a_plan_is_applied_only_by_its_digest(ci):
    """The plan is one that cannot be applied, so that nothing was tried where this ends well."""
    folder = ci.checkout("main")
    (folder / "plan").mkdir()
    (folder / "plan" / "saved.plan").write_bytes(b"a plan")
    (folder / "plan" / "status").write_text("0\n")
    sha256 = hashlib.sha256(b"a plan").hexdigest()
    assert "nothing to apply" in ci.run(folder, "apply.sh", with_key=False, PLAN_SHA256=sha256)
    said = ci.run(folder, "apply.sh", status=1, with_key=False, PLAN_SHA256="0" * 64)
    assert "plan/saved.plan is not the plan that was made" in said and "`replan`" in said


@github
def test_a_state_that_could_not_be_stored_is_kept(ci):
    folder = ci.checkout("main")
    ci.stand_in("mkdir -p .anywhere/quickstart-aws && echo '{}' >.anywhere/quickstart-aws/errored.tfstate; exit 1")
    (folder / "plan").mkdir()
    (folder / "plan" / "saved.plan").write_bytes(b"a plan")
    (folder / "plan" / "status").write_text("2\n")
    said = ci.run(folder, "apply.sh", status=1, PLAN_SHA256=hashlib.sha256(b"a plan").hexdigest())
    assert "hint: The state could not be stored" in said and "`terraform state push`" in said
    (folder / "cluster.lock.yaml").open("a").write("# renewed\n")
    ci.run(folder, "writeback.sh")  # which deletes what it kept itself
    assert [path.name for path in (folder / "kept").iterdir()] == ["errored.tfstate"]
