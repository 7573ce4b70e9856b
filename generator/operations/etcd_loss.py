"""What a plan must say where a disk of etcd is gone that was there before: deleted by hand, or with its machine."""

from __future__ import annotations

from generator.operations import field_changes
from generator.operations.field_changes import Notice
from generator.operations.workspace import Workspace
from generator.terraform import Plan

FIELD = "etcd"  # what the notice is about


def notices(workspace: Workspace, plan: Plan) -> tuple[Notice, ...]:
    """What is lost, and whether the cluster can fill the new disks itself."""
    disk, before = workspace.project.provider.addresses.etcd_disk, _applied(workspace)
    lost = sorted(c.key for c in plan.changes if c.resource == disk and c.action == "create" and c.key in before)
    if not lost:
        return ()
    gone = f"the disk of {', '.join(lost)} is gone, with what etcd held on it"
    if 2 * (len(before) - len(lost)) > len(before):
        return (Notice(FIELD, f"{gone}; it joins again, and is filled by the other members"),)
    return (
        Notice(
            FIELD,
            f"{gone}; without a majority, restore a snapshot: `anywhere etcd list`, then `anywhere etcd restore NAME`",
        ),
    )


def _applied(workspace: Workspace) -> frozenset[str]:
    """The machines that had etcd when the definition was last applied."""
    fields = field_changes.recorded(workspace)
    own = fields.get("spec.etcd.count") or 0
    role, count = ("etcd", own) if own else ("master", fields.get("spec.masters.count") or 0)
    return frozenset(f"{role}{number}" for number in range(1, count + 1))
