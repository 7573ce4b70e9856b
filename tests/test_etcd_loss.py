"""What a plan says where a disk of etcd is gone that was there before."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import providers
from generator.operations import etcd_loss
from generator.terraform import Change, Plan

ADDRESSES = {name: providers.load(name).addresses for name in providers.NAMES}


def said(addresses, applied, created):
    """What is said where the disks of `created` are to be made in a cluster that was applied with these fields."""
    outputs = {"applied": json.dumps(applied)} if applied else {}
    workspace = SimpleNamespace(
        project=SimpleNamespace(provider=SimpleNamespace(addresses=addresses)),
        terraform=SimpleNamespace(outputs=lambda: outputs),
    )
    changes = tuple(Change(f'{addresses.etcd_disk}["{name}"]', "create") for name in created)
    return [notice.text for notice in etcd_loss.notices(workspace, Plan(Path("plan"), changes, (), False))]


@pytest.mark.parametrize("addresses", ADDRESSES.values(), ids=ADDRESSES)
@pytest.mark.parametrize(
    ("own", "masters", "lost", "remedy"),
    [
        (0, 1, ["master1"], "restore a snapshot: `anywhere etcd list`, then `anywhere etcd restore NAME`"),
        (3, 1, ["etcd2"], "it joins again"),
        (3, 1, ["etcd1", "etcd3"], "restore a snapshot: `anywhere etcd list`, then `anywhere etcd restore NAME`"),
        (0, 3, ["master3"], "it joins again"),
    ],
)
def test_what_is_lost_and_who_fills_the_new_disks(addresses, own, masters, lost, remedy):
    (text,) = said(addresses, {"spec.etcd.count": own, "spec.masters.count": masters}, lost)
    assert text.startswith(f"the disk of {', '.join(lost)} is gone, with what etcd held on it") and remedy in text


@pytest.mark.parametrize(
    ("applied", "created"),
    [
        ({}, ["master1"]),
        ({"spec.etcd.count": 0, "spec.masters.count": 1}, ["master2", "master3"]),
        ({"spec.etcd.count": 0, "spec.masters.count": 1}, []),
    ],
)
def test_disks_of_what_is_new_are_no_loss(applied, created):
    assert said(ADDRESSES["aws"], applied, created) == []
