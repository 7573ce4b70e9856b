"""A rollout on the clouds: a plan of one machine has that machine, what it needs, and no other machine."""

import pytest

import providers
from generator.progress import Silent
from generator.terraform import Change, Terraform
from tests import clouds, golden

pytest_plugins = ["tests.aws_fixtures", "tests.gce_fixtures"]

# Its machine, and the document that all machines look for.
ADDRESSES = {
    "aws": ('aws_instance.machine["master2"]', 'aws_s3_object.document["release.json"]'),
    "gce": ('google_compute_instance.machine["master2"]', 'google_storage_bucket_object.document["release.json"]'),
}


@pytest.mark.parametrize("target", ADDRESSES)
def test_the_turn_of_a_machine_is_no_other_machine_s(target, request, tmp_path):
    environment = request.getfixturevalue(f"{target}_environment")
    folder = clouds.write(tmp_path / "ha", target, "ha")
    clouds.Applied(folder, environment)
    larger = {"masters": {"count": 3, "size": "large"}, "registry": "registry.example.com/k8s"}
    clouds.write(folder, target, "ha", spec=larger)
    runner = Terraform(folder, tmp_path / "cache", Silent(), environment)
    runner.init()
    secrets = {name: f"secret-of-{name}" for name in golden.COMPONENTS}
    whole = runner.plan(secrets)
    machine = providers.load(target).addresses.machine
    assert [(change.key, change.action) for change in whole.changes if change.resource == machine] == [
        (f"master{number}", "update") for number in (1, 2, 3)
    ]
    part = runner.plan(secrets, [ADDRESSES[target][0]])
    assert set(part.changes) == {Change(address, "update") for address in ADDRESSES[target]}
