"""What AWS itself would refuse in modules/aws: names that are too long, and things that come too early."""

import pytest

from tests import clouds
from tests.clouds import Cluster

pytest_plugins = ["tests.aws_fixtures"]


def test_what_takes_any_address_waits_for_those_that_have_one(aws):
    """And a load balancer for the way to the internet, without which AWS refuses to make it."""
    needs = {
        f"{r['type']}.{r['name']}": set(r["depends_on"])
        for r in aws("spot").configuration() + aws("ha").configuration()
        if "depends_on" in r
    }
    assert "aws_instance.machine" in needs["aws_autoscaling_group.pool"]
    assert "aws_instance.machine" in needs["aws_ec2_instance_connect_endpoint.ssh"]
    assert {"aws_instance.machine", "aws_route.internet"} <= needs["aws_lb.api"]


@pytest.mark.parametrize("name", ["a" * 28, "a" * 29, "a" * 30])
def test_names_fit_where_names_are_short(aws_environment, tmp_path, name):
    folder = clouds.write(tmp_path / "c", "aws", "ha", name=name)
    cluster = Cluster(folder, aws_environment)
    cluster.terraform("init")
    cluster.changes()
    planned = [c for c in cluster.show("changes.tfplan")["resource_changes"] if c["mode"] == "managed"]
    names = {
        (c["type"], change.get("name") or change.get("bucket"))
        for c in planned
        for change in [c["change"]["after"]]
        if change.get("name") or change.get("bucket")
    }
    most = {"aws_lb": 32, "aws_lb_target_group": 32, "aws_s3_bucket": 63, "aws_iam_role": 64}
    assert most.keys() <= {kind for kind, _ in names}
    assert all(len(found) <= most.get(kind, 128) for kind, found in names)
    (suffix,) = [c["change"]["after"]["custom_suffix"] for c in planned if c["type"] == "aws_iam_service_linked_role"]
    assert len(f"AWSServiceRoleForAutoScaling_{suffix}") <= 64
