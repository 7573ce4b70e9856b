"""What is said of the add-ons that a definition brings, from what the API says of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.operations import cluster_checks
from generator.workloads import COMPLETE, FAILED, SUSPENDED, Job, Pod, Workload, pods_of
from providers import Check

_CONVERGE = "`anywhere ssh master1 -- sudo journalctl -u anywhere-converge` says why."


@dataclass(frozen=True, slots=True)
class Told:
    """What the masters say of an add-on: the version that they applied, and what the API refused of it.

    `more` counts further problems.
    """

    version: str
    problems: tuple[str, ...]
    more: int


def addon(wanted: Mapping[str, Any], told: Told | None) -> Check:
    """Whether an add-on, as `generator.addons.own` has it, is applied as a whole."""
    name, version, count = wanted["name"], wanted["version"], len(wanted["objects"])
    if told is None or told.version != version:
        return Check(name, False, f"Version {version} is not applied yet.", _CONVERGE, needed=True)
    if told.problems:
        problems = [*told.problems, *([f"and {told.more} more"] if told.more else [])]
        said = f"Not all of version {version} could be applied. {'; '.join(each.rstrip('.') for each in problems)}."
        return Check(name, False, said, "Correct its manifests, and apply again.", needed=True)
    return Check(name, True, f"version {version}, {count} object{'' if count == 1 else 's'}")


def workload(
    kind: str, namespace: str, name: str, made: Workload | Job | None, pods: Sequence[Pod], last: Mapping[str, str]
) -> Check:
    """Whether what an add-on makes run is available; `pods` are those of its namespace, `last` as of `addon`."""
    subject = f"{namespace}/{name}"
    if made is None:
        return Check(subject, False, f"{kind} {name} is missing.", _CONVERGE, needed=True)
    if isinstance(made, Job):
        return _job(subject, made, pods, last)
    return cluster_checks.rolled_out(subject, made, pods, last)


def _job(subject: str, job: Job, pods: Sequence[Pod], last: Mapping[str, str]) -> Check:
    hint = f"`kubectl --namespace {job.namespace} describe job {job.name}` says more."
    match job.end:
        case "":
            late = [pod for pod in pods_of(job, pods) if pod.trouble]
            said = cluster_checks.said(late[0], last) if late else f"{job.active} of its pods run."
            return Check(subject, False, f"The job has not ended. {said}", hint, needed=True)
        case word if word == FAILED:
            return Check(subject, False, f"The job failed: {job.detail.rstrip('.')}.", hint, needed=True)
        case word if word == COMPLETE:
            return Check(subject, True, "the job is complete")
    assert job.end == SUSPENDED
    return Check(subject, True, "the job is suspended")
