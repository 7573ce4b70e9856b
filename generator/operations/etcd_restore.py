"""Restoring a snapshot of etcd: it is proved whole and this cluster's own before anything changes."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from generator import agekey, files, pki
from generator.errors import UserError
from generator.kubernetes_version import number
from generator.lock import Lock
from generator.operations import cluster_secrets, etcd_snapshots, lock_file
from generator.operations.cluster_secrets import Known
from generator.operations.etcd_snapshots import PREFIX, Snapshot, damaged
from generator.operations.project import Project
from generator.progress import Progress
from generator.release import Restore
from generator.store import Secrets
from providers import Stored

PAGE, CHECKSUM = 512, 32  # bytes: a snapshot is etcd's data in whole pages, and the SHA-256 of these


@dataclass(frozen=True, slots=True)
class Restoring:
    """A snapshot that was proved, what the release says of it, and what machines with etcd open it with."""

    snapshot: Snapshot
    restore: Restore
    document: dict[str, str]

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
    _check_readable(secrets, snapshot)
    with progress.phase(f"read the snapshot {name}"):
        _check_whole(kept, snapshot, secrets)
    identity = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    return Restoring(snapshot, Restore(identity, name, snapshot.sha256), pki.restoring(secrets))


def _check_own(project: Project, lock: Lock, snapshot: Snapshot) -> None:
    assert lock.secrets
    if (snapshot.cluster, snapshot.store) != (project.name, lock.secrets.store):
        raise UserError(
            f"The snapshot {snapshot.name} is of another cluster: {snapshot.cluster} with secrets {snapshot.store},"
            f" not {project.name} with secrets {lock.secrets.store}.",
            "What another cluster encrypted cannot be read with the keys of this one.",
        )


def _check_readable(secrets: Secrets, snapshot: Snapshot) -> None:
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
