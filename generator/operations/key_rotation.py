"""A rotation of keys from its first phase to its last: each is an apply that every machine has before the next begins.

The store says which phase was reached. It is written before a phase is applied, and once every machine has it, so that
a rotation which was interrupted goes on from there. The clock of `wait` starts with the second.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from generator.errors import UserError
from generator.operations import cluster_api, cluster_secrets, handover, lock_file, release_progress, state_guard
from generator.operations.apply import Apply
from generator.operations.cluster_secrets import Change, unchanged
from generator.operations.handover import Handover
from generator.operations.project import Project
from generator.pki import rotation
from generator.pki.cluster import AUTHORITIES
from generator.progress import Progress
from generator.store import Phase, Rotation, Secrets

# Apply the secrets after a change, and ask with these words; what it came to.
Applying = Callable[[Change, str], Apply]


@dataclass(frozen=True, slots=True)
class Pause:
    """The next phase of a rotation, described, should wait `until` then; `why` says what for."""

    following: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Entry:
    """How a phase of a rotation is entered, or entered again."""

    subject: str
    phase: Phase
    change: Change


def run(
    project: Project, subject: str, applying: Applying, progress: Progress, timeout: float, *, at_once: bool
) -> Pause | None:
    """Rotate `subject`, or go on with it; "" goes on with whatever is under way. A Pause where the rest has to wait.

    `at_once` waits for nothing. UserError where another rotation is not finished, or the next phase has to wait still.
    """
    rotation.check(subject, AUTHORITIES)
    entry: Entry | None = _first(project, subject, at_once=at_once)
    while entry:
        done = applying(entry.change, _question(entry))
        secrets = _settle(done, progress, timeout)
        if secrets.rotation is None:
            return None
        if not at_once and (pause := _pause(secrets.rotation)):
            return pause
        entry = _next(secrets.rotation)
    return None


def _first(project: Project, subject: str, *, at_once: bool) -> Entry:
    """The phase to begin with."""
    secrets = cluster_secrets.opened(project, lock_file.known(project)).of(project.provider.name)
    state_guard.check_applied(project)  # without it, the first phase would make the cluster
    under_way = secrets.rotation
    if under_way is None:
        _check(project, secrets, subject)
        return Entry(subject, rotation.phases(subject)[0], lambda now: rotation.begin(now, subject, datetime.now(UTC)))
    if subject not in ("", under_way.subject):
        raise UserError(
            f"A rotation is not finished: that of {rotation.title(under_way.subject)}, which is at"
            f" {rotation.describe(under_way.subject, under_way.phase)}.",
            f"One at a time. Finish it: `anywhere pki rotate --{under_way.subject}`",
        )
    if under_way.rolled_out is None:
        return Entry(under_way.subject, under_way.phase, unchanged)
    if not at_once and (pause := _pause(under_way)):
        raise UserError(
            f"It is too early for {pause.following}: it may run from {pause.until:%Y-%m-%d %H:%M} UTC. {pause.why}",
            f"Nothing was changed. To run it all the same: `anywhere pki rotate --{under_way.subject} --now`",
        )
    return _next(under_way) or Entry(under_way.subject, under_way.phase, unchanged)


def _check(project: Project, secrets: Secrets, subject: str) -> None:
    """UserError where `subject` cannot be rotated."""
    if not secrets.authorities:
        raise UserError(f"Cluster {project.name!r} has no secrets yet.", "Run `anywhere apply` first.")
    if not subject:
        raise UserError(
            "No rotation is under way.",
            "Say what to rotate: --ca NAME, --leaves, --service-account, --encryption, --weave or --bootstrap-token.",
        )
    lock = lock_file.known(project)
    if subject == rotation.WEAVE and not (lock and lock.driver == "weave" and project.definition.network.encryption):
        raise UserError(
            f"Cluster {project.name!r} uses no password of Weave.",
            "Only the driver weave with spec.network.encryption has one; machines make the keys of flannel themselves.",
        )


def _question(entry: Entry) -> str:
    described = rotation.describe(entry.subject, entry.phase)
    return f"Rotation of {rotation.title(entry.subject)}, {described}."


def _settle(done: Apply, progress: Progress, timeout: float) -> Secrets:
    """See a phase through once it was applied; the secrets, which say so, or without the rotation after the last."""
    project, secrets = done.project, done.secrets.secrets
    with closing(cluster_api.client(done.kubeconfig)) as client:
        with progress.phase("wait until every machine has it"):
            release_progress.wait(project, client, timeout)
        handover.run(Handover(done.workspace, client, secrets, progress, timeout))
    assert secrets.rotation
    now = datetime.now(UTC)
    last = rotation.following_phase(secrets.rotation) is None
    after = rotation.advance(secrets, now) if last else rotation.rolled_out(secrets, now)
    cluster_secrets.note(project, secrets, after)
    return after


def _pause(under_way: Rotation) -> Pause | None:
    """What the next phase still has to wait for."""
    following, held = rotation.following_phase(under_way), rotation.held(under_way)
    if not (following and held) or held[0] <= datetime.now(UTC):
        return None
    return Pause(rotation.describe(under_way.subject, following), *held)


def _next(under_way: Rotation) -> Entry | None:
    following = rotation.following_phase(under_way)
    if following is None:
        return None
    return Entry(under_way.subject, following, lambda now: rotation.advance(now, datetime.now(UTC)))
