"""What a plan may destroy: etcd's data and the control plane only by name."""

from pathlib import Path

import pytest

from generator.errors import UserError
from generator.operations import destroy_guard
from generator.terraform import Change, Plan


def plan(*changes):
    return Plan(Path("plan"), tuple(Change(*change) for change in changes), (), False)


DATA = {
    "local": 'anywhere_disk.etcd["etcd1"]',
    "aws": 'aws_ebs_volume.etcd["etcd1"]',
    "gce": 'google_compute_disk.etcd["etcd1"]',
}


def machine(name):
    return f'aws_instance.machine["{name}"]'


@pytest.mark.parametrize("action", ["delete", "replace"])
@pytest.mark.parametrize("address", DATA.values(), ids=DATA)
def test_etcd_data_goes_only_by_name(address, action):
    with pytest.raises(UserError, match="what etcd holds on etcd1") as caught:
        destroy_guard.check(plan((address, action)), [])
    assert "--may-destroy etcd1" in caught.value.hint
    with pytest.raises(UserError):
        destroy_guard.check(plan((address, action)), ["etcd2"])
    destroy_guard.check(plan((address, action)), ["etcd1"])


def test_one_machine_of_the_control_plane_may_be_made_anew():
    destroy_guard.check(plan((machine("master1"), "replace")), [])
    parts = [(f'aws_{kind}.machine["master1"]', "delete") for kind in ("subnet", "route_table_association")]
    destroy_guard.check(plan((machine("master1"), "delete"), *parts), [])


@pytest.mark.parametrize("second", ["master2", "etcd1"])
def test_two_machines_of_the_control_plane_go_only_by_name(second):
    changes = plan((machine("master1"), "replace"), (machine(second), "delete"))
    with pytest.raises(UserError, match=f"2 machines of the control plane at once: master1, {second}") as caught:
        destroy_guard.check(changes, ["master1"])
    assert f"--may-destroy {second}" in caught.value.hint and "--may-destroy master1" not in caught.value.hint
    destroy_guard.check(changes, ["master1", second])


def test_what_is_made_changed_or_a_worker_is_no_loss():
    harmless = [(address, action) for address in DATA.values() for action in ("create", "update")]
    workers = [(f'anywhere_machine.machine["worker-etcd-{n}"]', "delete") for n in (1, 2)]
    attachment = ('aws_volume_attachment.etcd["etcd1"]', "replace")
    destroy_guard.check(plan(*harmless, *workers, attachment, ("aws_autoscaling_group.pool", "delete")), [])
