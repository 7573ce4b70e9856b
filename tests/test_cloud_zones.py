"""A relock moves nothing: a zone that comes later is for pools that come later."""

import pytest

from tests import clouds

pytest_plugins = ["tests.aws_fixtures", "tests.gce_fixtures"]
POOLS = [{"name": name, "count": 1, "size": "medium"} for name in ("general", "batch", "gpu")]
MACHINES = ("aws_instance", "aws_ebs_volume", "aws_subnet", "google_compute_instance", "google_compute_disk")


def zones(target):
    return clouds.FACTS[target]["zones"]


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_a_zone_that_is_added_moves_no_machine_volume_subnet_or_pool(target, request, tmp_path):
    environment = request.getfixturevalue(f"{target}_environment")
    first, second, third = zones(target)
    folder = clouds.write(tmp_path / "ha", target, "ha", facts={"zones": [first, second]})
    clouds.Applied(folder, environment)
    pools = {name: [first, second] for name in ("general", "batch")}
    added = {"zones": [first, second, third], "spread": 2, "pool_zones": pools}
    clouds.write(folder, target, "ha", facts=added)
    changes = clouds.Cluster(folder, environment).changes()
    assert all(actions == ["create"] for address, actions in changes.items() if address.startswith(MACHINES)), changes
    assert not [address for address in changes if "pool" in address]


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_a_pool_stands_in_the_zones_that_the_lock_gives_it(target, request, tmp_path):
    environment = request.getfixturevalue(f"{target}_environment")
    own = zones(target)[1:]
    spec = {"workers": POOLS}
    folder = clouds.write(tmp_path / "ha", target, "ha", spec=spec, facts={"pool_zones": {"gpu": own}})
    cluster = clouds.Applied(folder, environment)
    if target == "gce":
        groups = cluster.all("google_compute_region_instance_group_manager.pool")
        assert set(groups["gpu"]["distribution_policy_zones"]) == set(own)
        assert groups["gpu"]["update_policy"][0]["max_surge_fixed"] == 2
        assert set(groups["general"]["distribution_policy_zones"]) == set(zones(target))
    else:
        subnets = cluster.all("aws_subnet.worker")
        groups = cluster.all("aws_autoscaling_group.pool")
        assert set(groups["gpu"]["vpc_zone_identifier"]) == {subnets[zone]["id"] for zone in own}
        assert set(groups["general"]["vpc_zone_identifier"]) == {subnet["id"] for subnet in subnets.values()}
