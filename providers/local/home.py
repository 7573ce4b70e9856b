"""Where local clusters stand on this host."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.directories import of_user
from generator.files import PRIVATE, write_atomic


def data_home() -> Path:
    """`$XDG_DATA_HOME`, by default `~/.local/share`."""
    return of_user(os.environ.get("XDG_DATA_HOME") or "~/.local/share")


def home() -> Path:
    """`$ANYWHERE_HOME`: everything that belongs to a local cluster."""
    given = os.environ.get("ANYWHERE_HOME")
    return (Path(given) if given else data_home() / "anywhere").absolute()


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The folder of one local cluster, with a folder for each kind of thing in it."""

    name: str
    path: Path

    @property
    def networks(self) -> Path:
        return self.path / "networks"

    @property
    def documents(self) -> Path:
        return self.path / "documents"

    @property
    def readers(self) -> Path:
        """Beside each document, under the same key: who may read it."""
        return self.path / "readers"

    @property
    def stored(self) -> Path:
        """What machines with etcd keep, by key."""
        return self.path / "stored"

    @property
    def keepers(self) -> Path:
        """Who they are: the roles that may read and write there."""
        return self.path / "keepers.json"

    @property
    def disks(self) -> Path:
        return self.path / "disks"

    @property
    def machines(self) -> Path:
        return self.path / "machines"


def cluster_folder(name: str) -> ClusterFolder:
    return ClusterFolder(name, home() / "clusters" / name)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time with this folder. The lock is on the folder itself, so that no lock file is left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, durably; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(path, data, PRIVATE, durable=True)


def write_json(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")


def read_json(path: Path) -> Any:
    """The value in a file; None where it is absent or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def remove_empty(path: Path) -> None:
    """Remove `path` and the folders above it while they are empty, but never the home folder."""
    while home() in path.parents:
        try:
            path.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        path = path.parent
