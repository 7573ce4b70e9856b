"""A machine keeps the disk that it was created with: no disk can shrink, and Google would make the machine anew."""

import pytest

from tests import clouds

pytest_plugins = ["tests.aws_fixtures", "tests.gce_fixtures"]
MACHINES = {"aws": "aws_instance.machine", "gce": "google_compute_instance.machine"}


def disk(target, machine):
    if target == "aws":
        return machine["root_block_device"][0]["volume_size"]
    return machine["boot_disk"][0]["initialize_params"][0]["size"]


@pytest.mark.parametrize("target", MACHINES)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_machine_of_another_size_keeps_its_disk(target, size, request, tmp_path):
    environment = request.getfixturevalue(f"{target}_environment")
    folder = clouds.write(tmp_path / "ha", target, "ha")
    clouds.Applied(folder, environment)
    clouds.write(folder, target, "ha", spec={"masters": {"count": 3, "size": size}})
    cluster = clouds.Cluster(folder, environment)
    changes = cluster.changes()
    masters = [f'{MACHINES[target]}["master{number}"]' for number in (1, 2, 3)]
    assert [changes[address] for address in masters] == [["update"]] * 3
    planned = {c["address"]: c["change"] for c in cluster.show("changes.tfplan")["resource_changes"]}
    for address in masters:
        before, after = planned[address]["before"], planned[address]["after"]
        assert disk(target, before) == disk(target, after) == 30
