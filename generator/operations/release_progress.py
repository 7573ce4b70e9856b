"""How far a release is on its way to the machines, as the masters write it into the cluster."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError
from generator.operations.project import Project
from generator.operations.standstill import Standstill

# See modules/node/agent/rollout.py, which writes it.
STATUS = "/api/v1/namespaces/kube-system/configmaps/anywhere-rollout"
RESUME = "anywhere/resume"
DEBIAN = "debian"  # the packages of a machine itself, as a component
DIGITS = 12  # of a release's checksum, by which it is called


@dataclass(frozen=True, slots=True)
class Halt:
    """`machine` put `component` back, as its new version did not work, and no machine tries it again."""

    machine: str
    component: str
    reason: str

    def said(self) -> str:
        """It in one sentence; packages of Debian are not put back."""
        if self.component == DEBIAN:
            return f"{self.machine} could not update its packages: {self.reason}"
        return f"{self.machine} put {self.component} back, as its new version did not work: {self.reason}"


@dataclass(frozen=True, slots=True)
class ReleaseProgress:
    """`release` is what machines converge to, and `left` those that do not run it yet.

    `stuck` are workers whose pods cannot be moved, with the reason. `retired` are machines that left the control plane
    and may be destroyed; `members` are those of etcd.
    """

    release: str
    left: tuple[str, ...]
    stuck: tuple[tuple[str, str], ...]
    halted: tuple[Halt, ...]
    retired: tuple[str, ...]
    members: tuple[str, ...]


def read(client: Client) -> ReleaseProgress | None:
    """What the masters last wrote; None where they have not yet. UnreachableError where the API does not answer."""
    found = client.find(STATUS)
    return _progress(json.loads(found["data"]["status"])) if found else None


def refuse_halted(progress: ReleaseProgress | None, project: Project) -> None:
    """UserError where the rollout of the wanted release was halted."""
    if progress is None or progress.release != project.release[:DIGITS] or not progress.halted:
        return
    lines = (halt.said() for halt in progress.halted)
    raise UserError(
        "The rollout is halted: " + "\n".join(lines),
        "No machine tries it again. Fix the definition and apply; `anywhere rollout resume` tries the same once more.",
    )


def describe(progress: ReleaseProgress | None) -> tuple[str, ...]:
    """How far the release is, in lines."""
    if progress is None:
        return ("The masters have not said yet how far the release is.",)
    halted = (f"Halted: {halt.said()}" for halt in progress.halted)
    return (*halted, *(lacking(progress) or (f"Release {progress.release} runs on every machine.",)))


def lacking(progress: ReleaseProgress) -> tuple[str, ...]:
    """Which machines and nodes lack something of the release, and why where that is known; () where none does."""
    if not progress.left:
        return ()
    waiting = (f"Waiting: {name}: {reason}" for name, reason in progress.stuck)
    return (*waiting, f"Release {progress.release} is not complete yet on: {', '.join(progress.left)}.")


def wait(project: Project, client: Client, timeout: float) -> None:
    """Wait until every machine, also one that joined meanwhile, runs the wanted release.

    UserError where it was halted, and where the machines that are left stay the same for `timeout` seconds.
    """
    standstill = Standstill(timeout)
    while late := _late(project, client):
        if standstill.exceeded(late):
            raise UserError(f"{late} It made no progress for {timeout:.0f} s.", "`anywhere rollout status` says more.")
        client.pause(project.provider.poll)


def _late(project: Project, client: Client) -> str:
    """What does not run the wanted release yet, "" where everything does."""
    try:
        progress = read(client)
    except UnreachableError as error:
        return error.message
    refuse_halted(progress, project)
    if progress is None or progress.release != project.release[:DIGITS]:
        return "The masters have not taken the release yet."
    return "\n".join(describe(progress)) if progress.left else ""


def resume(client: Client) -> None:
    """Ask the masters to forget what was put back, and so to try it again."""
    client.patch(STATUS, {"metadata": {"annotations": {RESUME: "yes"}}})


def _progress(described: dict[str, Any]) -> ReleaseProgress:
    return ReleaseProgress(
        release=described["release"],
        left=tuple(described["left"]),
        stuck=tuple(sorted(described["stuck"].items())),
        halted=tuple(Halt(**halt) for halt in described["halted"]),
        retired=tuple(described["retired"]),
        members=tuple(described["members"]),
    )
