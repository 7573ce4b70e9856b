"""drift.sh: one issue as long as the cluster is not what main says."""


def test_drift_opens_one_issue_keeps_it_current_and_closes_it(ci, forge):
    look = ci.checkout("main")
    ci.run(look, "drift.sh")
    (issue,) = forge.issues
    assert issue["title"] == "Drift: cluster.yaml on local" and "Plan: 1 to create." in issue["body"]
    forge.issue("Drift: cluster.yaml on local, again", "of a person")
    issue["body"] = "yesterday's"
    ci.run(look, "drift.sh")
    assert len(forge.issues) == 2 and "Plan: 1 to create." in issue["body"]
    ci.anywhere(look, "apply", "--yes", "--timeout", "20")
    ci.run(look, "drift.sh")
    assert issue["state"] == "closed" and issue["said"] == ["The cluster is as its definition wants it."]
    assert forge.issues[1]["state"] == "open"
    ci.run(look, "drift.sh")  # nothing to say, and said once
    assert len(forge.issues) == 2 and len(issue["said"]) == 1


def test_drift_that_is_too_long_for_an_issue_is_in_the_log(ci, forge):
    row = "| cluster | `terraform_data.machine` |  | created |"
    ci.stand_in(f"yes '{row}' | head -n 2000; exit 2")
    said = ci.run(ci.checkout("main"), "drift.sh")
    (issue,) = forge.issues
    assert said.count(row) == 2000 and issue["body"].count(row) > 1000 and len(issue["body"]) < 65536
    assert "\nThe rest does not fit here: see the log of this run.\n" in issue["body"]


def test_what_cannot_be_looked_at_is_neither_drift_nor_its_end(ci, forge):
    look = ci.checkout("main")
    issue = forge.issue("Drift: cluster.yaml on local", "yesterday's")
    (ci.place / "machines.tf").write_text("resource {")
    assert "Terraform failed" in ci.run(look, "drift.sh", status=1)
    assert forge.issues == [issue] and issue["state"] == "open" and issue["body"] == "yesterday's"
