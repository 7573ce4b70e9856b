"""What a plan may destroy: etcd's data and the control plane only by name."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import providers
from generator.errors import UserError
from generator.operations import destroy_guard, planning
from generator.terraform import Change, Plan

ADDRESSES = {name: providers.load(name).addresses for name in providers.NAMES}
AWS = ADDRESSES["aws"]


def plan(*changes):
    return Plan(Path("plan"), tuple(Change(*change) for change in changes), (), False)


def keyed(resource, name):
    return f'{resource}["{name}"]'


def machine(name):
    return keyed(AWS.machine, name)


@pytest.mark.parametrize("action", ["delete", "replace"])
@pytest.mark.parametrize("addresses", ADDRESSES.values(), ids=ADDRESSES)
def test_etcd_data_goes_only_by_name(addresses, action):
    changes = plan((keyed(addresses.etcd_disk, "etcd1"), action))
    with pytest.raises(UserError, match="what etcd holds on etcd1") as caught:
        destroy_guard.check(changes, [], addresses)
    assert "--may-destroy etcd1" in caught.value.hint
    with pytest.raises(UserError):
        destroy_guard.check(changes, ["etcd2"], addresses)
    destroy_guard.check(changes, ["etcd1"], addresses)


def test_one_machine_of_the_control_plane_may_be_made_anew():
    destroy_guard.check(plan((machine("master1"), "replace")), [], AWS)
    parts = [(keyed(f"aws_{kind}.machine", "master1"), "delete") for kind in ("subnet", "route_table_association")]
    destroy_guard.check(plan((machine("master1"), "delete"), *parts), [], AWS)


@pytest.mark.parametrize("second", ["master2", "etcd1"])
@pytest.mark.parametrize("addresses", ADDRESSES.values(), ids=ADDRESSES)
def test_two_machines_of_the_control_plane_go_only_by_name(addresses, second):
    changes = plan((keyed(addresses.machine, "master1"), "replace"), (keyed(addresses.machine, second), "delete"))
    with pytest.raises(UserError, match=f"2 machines of the control plane at once: master1, {second}") as caught:
        destroy_guard.check(changes, ["master1"], addresses)
    assert f"--may-destroy {second}" in caught.value.hint and "--may-destroy master1" not in caught.value.hint
    destroy_guard.check(changes, ["master1", second], addresses)


def test_what_is_made_changed_or_a_worker_is_no_loss():
    harmless = [(keyed(AWS.etcd_disk, "etcd1"), action) for action in ("create", "update")]
    attachment = (keyed("aws_volume_attachment.etcd", "etcd1"), "replace")
    destroy_guard.check(plan(*harmless, attachment, ("aws_autoscaling_group.pool", "delete")), [], AWS)
    local = ADDRESSES["local"]
    workers = [(keyed(local.machine, f"worker-etcd-{n}"), "delete") for n in (1, 2)]
    destroy_guard.check(plan(*workers), [], local)


@pytest.mark.parametrize("provider", ["aws", "gce"])
@pytest.mark.parametrize("ends", [None, KeyboardInterrupt, UserError("Terraform failed.")])
def test_what_protects_the_data_is_away_for_a_moment_alone(provider, ends, tmp_path):
    """What lifts it must not stay in the folder, where the next plan, or a person's Terraform, would find it."""
    project = SimpleNamespace(folder=tmp_path, provider=SimpleNamespace(name=provider))
    with suppress(KeyboardInterrupt, UserError), planning.unprotected(project):
        assert [path.name.endswith("_override.tf") for path in tmp_path.iterdir()] == [True]
        if ends:
            raise ends
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_plan_does_not_destroy_is_said():
    changes = plan((machine("master1"), "delete"), (keyed(AWS.etcd_disk, "etcd1"), "replace"))
    assert destroy_guard.remark(changes, ["master1", "etcd1"], AWS) == ""
    said = destroy_guard.remark(changes, ["master1", "mastr2", "etcd2"], AWS)
    assert said == "This plan does not destroy mastr2, etcd2, which --may-destroy names."
