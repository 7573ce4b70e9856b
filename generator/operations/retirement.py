"""Etcd machines and masters that go: they leave the cluster while they are there, and are destroyed only then."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError
from generator.operations import cluster_api, kubeconfig, planning, release_progress
from generator.operations.release_progress import DIGITS
from generator.operations.rollout import refuse_more
from generator.operations.standstill import Standstill
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan
from generator.topology import is_control_plane


def leaving(workspace: Workspace, plan: Plan) -> tuple[str, ...]:
    """The etcd machines and masters that `plan` destroys for good, of a cluster that is there."""
    machine = workspace.project.provider.addresses.machine
    return tuple(
        c.key for c in plan.changes if c.resource == machine and c.action == "delete" and is_control_plane(c.key)
    )


def run(workspace: Workspace, whole: Plan, may_destroy: Sequence[str], progress: Progress, timeout: float) -> Plan:
    """Bring the release to all machines first, wait until those that go have left, and plan the rest of `whole`.

    UserError where nothing changed for `timeout` seconds: they are kept.
    """
    names, addresses = leaving(workspace, whole), workspace.project.provider.addresses
    documents = [change.address for change in whole.changes if change.resource == addresses.document]
    with progress.phase(f"bring the release to {', '.join(names)}"):
        planning.apply(workspace, planning.plan_targets(workspace, may_destroy, documents))
    with progress.phase(f"wait for {', '.join(names)} to leave the control plane"):
        _wait(workspace, names, timeout)
    rest = planning.plan(workspace, progress, may_destroy)
    refuse_more(rest, whole.changes, may_destroy, addresses)
    return rest


def _wait(workspace: Workspace, names: Sequence[str], timeout: float) -> None:
    project, standstill = workspace.project, Standstill(timeout)
    path = kubeconfig.write(project, workspace.terraform)
    with closing(cluster_api.client(path)) as client:
        while reason := _reason(workspace, names, client):
            if standstill.exceeded(reason):
                raise UserError(
                    f"{', '.join(names)} did not leave, and nothing changed for {timeout:.0f} s: {reason}.",
                    "Nothing was destroyed. `anywhere status` says what is wrong; the same command goes on from there.",
                )
            client.pause(project.provider.poll)


def _reason(workspace: Workspace, names: Sequence[str], client: Client) -> str:
    """Why the machines cannot be destroyed yet, "" where they can. One that does not run has nobody to wait for."""
    project = workspace.project
    running = {machine.name for machine in project.provider.observe(project.definition) if machine.running}
    try:
        now = release_progress.read(client)
    except UnreachableError as error:
        return error.message.rstrip(".")
    if now is None or now.release != project.release[:DIGITS]:
        return "the masters have not taken the release yet"
    release_progress.refuse_halted(now, project)
    if staying := sorted(set(names) & running - set(now.retired)):
        late = f", and the release is not complete on {', '.join(now.left)}" if now.left else ""
        return f"{', '.join(staying)} still serves{late}"
    wanted = {machine.member for machine in workspace.topology.having("etcd")}
    if extra := sorted(set(now.members) - wanted):
        return f"{', '.join(extra)} is still a member of etcd"
    return ""
