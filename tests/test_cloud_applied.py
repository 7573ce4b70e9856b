"""What is recorded of a cluster on a cloud, in the state that the module's own Terraform makes."""

import json

import pytest

pytest_plugins = ["tests.aws_fixtures", "tests.gce_fixtures"]


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_a_state_says_what_was_applied(target, request):
    cluster = request.getfixturevalue(target)("star-wars")
    found = cluster.outputs()["applied"]
    assert found == (cluster.folder / "applied.json").read_text()
    assert json.loads(found)["spec.etcd.count"] == 3
    assert cluster.changes() == {}
