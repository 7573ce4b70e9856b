"""Restoring a snapshot of etcd: it is proved whole and this cluster's own before anything changes."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from generator import agekey, files, pki, store
from generator.errors import UserError
from generator.kubernetes_version import number
from generator.lock import Lock
from generator.operations import cluster_secrets, etcd_snapshots, lock_file
from generator.operations.cluster_secrets import Known
from generator.operations.etcd_snapshots import PREFIX, Snapshot, damaged
from generator.operations.project import Project
from generator.pki import rotation
from generator.progress import Progress
from generator.release import Restore
from generator.store import Secrets
from providers import Stored

PAGE, CHECKSUM = 512, 32  # bytes: a snapshot is etcd's data in whole pages, and the SHA-256 of these


@dataclass(frozen=True, slots=True)
class Restoring:
    """A snapshot that was proved, what the release says of it, and what machines with etcd open it with.

    `remarks` are about keys that were rotated since it was taken, or are being rotated.
    """

    snapshot: Snapshot
    restore: Restore
    document: dict[str, str]
    remarks: tuple[str, ...] = ()

    def with_document(self, known: Known) -> Known:
        """`known`, with the document of this restore, which is neither kept nor in the lock."""
        versions = {**known.versions, pki.RESTORE: pki.version(self.document)}
        return replace(known, versions=versions, documents={**known.documents, pki.RESTORE: self.document})


def prove(project: Project, name: str, progress: Progress) -> Restoring:
    """The snapshot called `name`; UserError where it is unknown, damaged, or another cluster's. Changes nothing."""
    kept = etcd_snapshots.stored(project)
    snapshot, lock = etcd_snapshots.described(kept, name), lock_file.known(project)
    assert lock and lock.secrets  # as something is stored
    _check_own(project, lock, snapshot)
    _check_version(lock, snapshot)
    secrets = cluster_secrets.opened(project, lock).of(project.provider.name)
    _check_readable(project, secrets, snapshot)
    with progress.phase(f"read the snapshot {name}"):
        _check_whole(kept, snapshot, secrets)
    identity = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    restore = Restore(identity, name, snapshot.sha256)
    return Restoring(snapshot, restore, pki.restoring(secrets), _remarks(secrets, snapshot))


def _check_own(project: Project, lock: Lock, snapshot: Snapshot) -> None:
    assert lock.secrets
    if (snapshot.cluster, snapshot.store) != (project.name, lock.secrets.store):
        raise UserError(
            f"The snapshot {snapshot.name} is of another cluster: {snapshot.cluster} with secrets {snapshot.store},"
            f" not {project.name} with secrets {lock.secrets.store}.",
            "What another cluster encrypted cannot be read with the keys of this one.",
        )


def repeat_phase(secrets: Secrets) -> Secrets:
    """The secrets with the phase of a rotation to be seen through again: what it did in the cluster is undone.

    Else the last phase would drop a key that restored Secrets are encrypted with.
    """
    if secrets.rotation is None:
        return secrets
    return replace(secrets, rotation=replace(secrets.rotation, rolled_out=None))


def _remarks(secrets: Secrets, snapshot: Snapshot) -> tuple[str, ...]:
    """What there is to know, and to do, where the keys are not those that the snapshot was taken under."""
    lines = []
    if snapshot.generation is None and secrets.generation:
        lines.append(
            "The snapshot does not say which keys it was taken under, and keys were rotated: Secrets in it that were"
            " encrypted with one that is gone cannot be read."
        )
    old = snapshot.generation != secrets.generation and datetime.now(UTC) - snapshot.taken < pki.TOKEN_LIFE
    if secrets.generation and old:
        lines.append(
            "Keys were rotated since the snapshot was taken. If that was because a bootstrap token is known to others,"
            " rotate it again: `anywhere pki rotate --bootstrap-token`."
        )
    if under_way := secrets.rotation:
        lines.append(
            f"The rotation of {rotation.title(under_way.subject)} has to repeat its step in the restored data"
            f" ({rotation.describe(under_way.subject, under_way.phase)})."
            f" Go on with it: `anywhere pki rotate --{under_way.subject}`."
        )
    return tuple(lines)


def _check_readable(project: Project, secrets: Secrets, snapshot: Snapshot) -> None:
    if (snapshot.generation or 0) > secrets.generation:
        path = store.path_beside(project.definition.path)
        raise UserError(
            f"The snapshot {snapshot.name} was taken under newer keys than {path} has: generation"
            f" {snapshot.generation}, not {secrets.generation}.",
            "API servers could not read its Secrets. Bring the newer secrets and their lock: `git pull`, or from a"
            " backup.",
        )
    if secrets.encrypted and snapshot.taken < secrets.encrypted:
        raise UserError(
            f"The snapshot {snapshot.name} is of before {secrets.encrypted:%Y-%m-%d %H:%M} UTC, when the key that its"
            " Secrets are encrypted with was dropped.",
            "API servers could not read them. Take a later one: `anywhere etcd list`.",
        )


def _check_version(lock: Lock, snapshot: Snapshot) -> None:
    if number(snapshot.kubernetes)[:2] > number(lock.kubernetes)[:2]:
        raise UserError(
            f"The snapshot {snapshot.name} is of Kubernetes {snapshot.kubernetes}, and the cluster has"
            f" {lock.kubernetes}, which may not know all that is in it.",
            f"Set spec.kubernetes.version to {snapshot.kubernetes}, run `anywhere images lock`, and restore then.",
        )


def _check_whole(kept: Stored, snapshot: Snapshot, secrets: Secrets) -> None:
    """Read all of it, as the machine will that restores it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.age"
        kept.read(f"{PREFIX}{snapshot.name}.age", path)
        if files.sha256(path) != snapshot.sha256:
            raise damaged(snapshot.name, "it is not what was stored")
        content = _Content()
        if not agekey.open_file(path, secrets.keys["snapshots"], content):
            raise damaged(snapshot.name, "the key in the cluster's secrets does not open it")
    if not content.whole:
        raise damaged(snapshot.name, "what is in it does not have its own checksum")


class _Content:
    """A file that keeps nothing of what is written to it but whether that is a whole snapshot."""

    def __init__(self) -> None:
        self._digest, self._size, self._end = hashlib.sha256(), 0, b""

    def write(self, data: bytes) -> int:
        rest = self._end + data
        self._digest.update(rest[:-CHECKSUM])
        self._size, self._end = self._size + len(data), rest[-CHECKSUM:]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def whole(self) -> bool:
        return self._size % PAGE == CHECKSUM and self._digest.digest() == self._end
