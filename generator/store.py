"""`cluster.secrets.age`: a cluster's secrets at rest, beside its definition, encrypted and safe to commit.

The file is ASCII-armoured age (`age -d -i ~/.config/anywhere/age.key cluster.secrets.age` shows it as JSON).
`read` never writes; `update` is the only way to change it, and two that run at once take turns.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import agekey
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic

if TYPE_CHECKING:
    from pyrage.x25519 import Identity  # type: ignore[import-untyped]

API_VERSION = "anywhere/v1"
LOCK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    crt: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """What lets a kubelet ask for its certificate. `made` is aware, in whole seconds."""

    id: str
    secret: str = field(repr=False)
    made: datetime


@dataclass(frozen=True, slots=True)
class Secrets:
    """All secrets of one cluster. `keys` holds text by name: service-account, encryption, weave."""

    cluster: str
    authorities: Mapping[str, Pair] = field(default_factory=dict)
    leaves: Mapping[str, Pair] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: Token | None = None


def path_beside(definition: Path) -> Path:
    """`cluster.yaml` -> `cluster.secrets.age`, in the same folder."""
    return definition.with_suffix(".secrets.age")


def read(definition: Path, cluster: str) -> Secrets:
    """The secrets of `cluster`, empty where there is no store yet.

    UserError where the key is absent, unsafe or the wrong one, the store is damaged, or it is another cluster's.
    """
    path = path_beside(definition)
    try:
        armoured = path.read_bytes()
    except FileNotFoundError:
        return Secrets(cluster)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check who owns it and its folder.") from None
    secrets = _decode(path, _decrypt(path, armoured, agekey.load(path)))
    if secrets.cluster != cluster:
        raise UserError(
            f"{path} holds the secrets of cluster {secrets.cluster!r}, not of {cluster!r}.",
            f"Set metadata.name back to {secrets.cluster!r}, or move the file away to begin a new cluster.",
        )
    return secrets


def update(definition: Path, cluster: str, change: Callable[[Secrets], Secrets]) -> Secrets:
    """Read, apply `change`, write what came of it and return it; makes the age key on first use.

    What did not change is not written, as age's output differs every time and git should stay clean.
    Errors as in `read`; where writing fails the old store is still there.
    """
    path = path_beside(definition)
    with _lock(definition.parent):
        before = read(definition, cluster)
        after = change(before)
        if after != before:
            _write(path, _encrypt(_encode(after), agekey.load(path) if path.exists() else agekey.load_or_make()))
    return after


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the folder, so that no lock file is left in the user's repository."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(f"{folder} cannot be opened: {error.strerror}.", "Give the path of a definition.") from None
    try:
        _acquire(folder, descriptor)
        yield
    finally:
        os.close(descriptor)


def _acquire(folder: Path, descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UserError(
                    f"Another process is changing the secrets in {folder}.", "Wait for it to end, then try again."
                ) from None
            time.sleep(0.05)
        except OSError as error:
            raise UserError(
                f"{folder} cannot be locked: {error.strerror}.", "Keep the definition on a file system with flock."
            ) from None


def _encrypt(plain: bytes, identities: list[Identity]) -> bytes:
    import pyrage  # type: ignore[import-untyped]

    armoured: bytes = pyrage.encrypt(plain, [identity.to_public() for identity in identities], armored=True)
    return armoured


def _decrypt(path: Path, armoured: bytes, identities: list[Identity]) -> bytes:
    import pyrage

    try:
        plain: bytes = pyrage.decrypt(armoured, identities)
    except pyrage.DecryptError as error:
        if "no matching keys" in str(error).lower():
            raise UserError(
                f"{path} was encrypted for another age key than {agekey.described()}.",
                f"Set {agekey.VARIABLE} to the key that made it, or to a file that holds that key.",
            ) from None
        raise _damaged(path, str(error).splitlines()[0].rstrip(".")) from None
    return plain


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is damaged: {reason}.", "Restore it from git or from a backup; nothing was written to it."
    )


def _encode(secrets: Secrets) -> bytes:
    content: dict[str, Any] = {"apiVersion": API_VERSION, **asdict(secrets)}
    token = content.pop("token")
    content["bootstrap_token"] = token and {**token, "made": token["made"].isoformat()}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _decode(path: Path, plain: bytes) -> Secrets:
    try:
        content = json.loads(plain)
        if content["apiVersion"] != API_VERSION:
            raise UserError(
                f"{path} has apiVersion {content['apiVersion']!r}; this version knows {API_VERSION!r}.",
                "Use the version of anywhere that wrote it.",
            )
        return Secrets(
            cluster=content["cluster"],
            authorities={name: Pair(**pair) for name, pair in content["authorities"].items()},
            leaves={name: Pair(**pair) for name, pair in content["leaves"].items()},
            keys=dict(content["keys"]),
            token=_decode_token(content["bootstrap_token"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # The reason would quote what it failed on, which is secret.
        raise _damaged(path, "it decrypts, but its content is not what anywhere writes") from None


def _decode_token(content: Mapping[str, str] | None) -> Token | None:
    if content is None:
        return None
    if "expires" in content:  # a store of an earlier version, whose tokens ended a day after they were made
        made = datetime.fromisoformat(content["expires"]) - timedelta(days=1)
    else:
        made = datetime.fromisoformat(content["made"])
    return Token(content["id"], content["secret"], made)


def _write(path: Path, content: bytes) -> None:
    """Replace the store, also behind a link, whole or not at all."""
    try:
        write_atomic(path.resolve(), content, PRIVATE, durable=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.",
            "Free space or fix the folder's permissions, then try again; the old store is untouched.",
        ) from None
