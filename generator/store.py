"""`cluster.secrets.age`: a cluster's secrets at rest, beside its definition, encrypted and safe to commit.

The file is ASCII-armoured age (`age -d -i ~/.config/anywhere/age.key cluster.secrets.age` shows it as JSON).
Each target has keys of its own in it. `read` never writes; `update` is the only way to change it, and two that run at
once take turns.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import agekey, git, recipients
from generator.errors import UserError
from generator.files import PRIVATE, rewrite

if TYPE_CHECKING:
    from pyrage.x25519 import Identity  # type: ignore[import-untyped]

API_VERSION = "anywhere/v3"
BEFORE = "anywhere/v2"  # the form before, which knows no rotations: a version that writes it would undo one
SHARED = "anywhere/v1"  # the first form, in which all targets had the same keys
LOCK_SECONDS = 10.0
_ARMOUR = b"-----BEGIN AGE ENCRYPTED FILE-----"


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


class Phase(StrEnum):
    """The steps of a rotation; each has reached every machine before the next one begins."""

    TRUST = "trust"  # what the old one and the new one vouch for, and go on with the old one
    ISSUE = "issue"  # from the new one, and still trust the old one
    DROP = "drop"  # the old one


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation that is under way: of what, as `generator.pki.rotation` calls it, and the phase that it is in.

    `pair` or `key` is the other one of two: the new one while it is only trusted, then the old one, of which only the
    certificate is kept. `rolled_out` is when every machine was seen to have the phase, in whole seconds; None before.
    """

    subject: str
    phase: Phase
    pair: Pair | None = None
    key: str = field(default="", repr=False)
    rolled_out: datetime | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """All secrets of one cluster on one target. `keys` holds text by name: service-account, encryption, weave.

    `generation` grows with every phase of a rotation, so that no older secrets take the place of newer ones.
    `encrypted` is since when the present key opens everything in etcd, in whole seconds; None where it always did.
    """

    cluster: str
    authorities: Mapping[str, Pair] = field(default_factory=dict)
    leaves: Mapping[str, Pair] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: Token | None = None
    rotation: Rotation | None = None
    generation: int = 0
    encrypted: datetime | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """What the file holds. `id` is random and public; it is "" where there is no store yet, and in one of the old form.

    `recipients` are those it is encrypted to. `shared` are the keys of the old form, which `inherited` hands out.
    """

    cluster: str
    id: str = ""
    targets: Mapping[str, Secrets] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    shared: Secrets | None = None

    def of(self, target: str) -> Secrets:
        """The secrets of a target, empty where it has none yet."""
        return self.targets.get(target, Secrets(self.cluster))


class ForeignStore(UserError):
    """The store beside the definition is another cluster's."""


def inherited(store: Store, targets: Collection[str]) -> Store:
    """A store of the old form in the new one: each of `targets` keeps the keys that all had."""
    if store.shared is None:
        return store
    return replace(store, targets=dict.fromkeys(targets, store.shared), shared=None)


def path_beside(definition: Path) -> Path:
    """`cluster.yaml` -> `cluster.secrets.age`, in the same folder."""
    return definition.with_suffix(".secrets.age")


def read(definition: Path, cluster: str) -> Store:
    """The secrets of `cluster`, empty where there is no store yet.

    UserError where the store is damaged or another cluster's, agekey.NoKey where the key at hand does not open it.
    """
    path = path_beside(definition)
    try:
        armoured = path.read_bytes()
    except FileNotFoundError:
        return Store(cluster)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check who owns it and its folder.") from None
    store = _decode(path, _decrypt(path, armoured, agekey.load(path)))
    if store.cluster != cluster:
        raise ForeignStore(
            f"{path} holds the secrets of cluster {store.cluster!r}, not of {cluster!r}.",
            f"Set metadata.name back to {store.cluster!r}. A new cluster takes a definition file of its own.",
        )
    return store


def update(definition: Path, cluster: str, change: Callable[[Store], Store], listed: Sequence[str] = ()) -> Store:
    """Read, apply `change`, write what came of it and return it; makes the age key on first use.

    It is encrypted to all whom it was encrypted to before, and those of `recipients.wanted`. What did not change is
    not written, as age's output differs every time and git should stay clean. Errors as in `read`, and where the key
    at hand could not open what is written; the old store is still there then.
    """
    return _update(definition, cluster, change, lambda before: recipients.wanted(listed, _own(definition)) + before)


def recrypt(definition: Path, cluster: str, change: Callable[[Store], Store], listed: Sequence[str] = ()) -> Store:
    """As `update`, but encrypted to those of `recipients.wanted` and nobody else."""
    return _update(definition, cluster, change, lambda before: recipients.wanted(listed, _own(definition)))


def _update(
    definition: Path,
    cluster: str,
    change: Callable[[Store], Store],
    choose: Callable[[tuple[str, ...]], tuple[str, ...]],
) -> Store:
    with _lock(definition.parent):
        before = read(definition, cluster)
        after = change(before)
        after = replace(after, recipients=tuple(sorted(set(choose(before.recipients)))))
        if after.shared is not None:
            raise ValueError("a store of the old form is not written: inherited() comes first")
        if after != before:
            _write(path_beside(definition), _encrypt(_encode(after), after.recipients))
    return after


def _own(definition: Path) -> list[str]:
    """The recipients of the key at hand, which is made on first use."""
    path = path_beside(definition)
    identities = agekey.load(path) if path.exists() else agekey.load_or_make()
    return agekey.public(identities)


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


def _encrypt(plain: bytes, recipients: Sequence[str]) -> bytes:
    import pyrage  # type: ignore[import-untyped]

    keys = [pyrage.x25519.Recipient.from_str(recipient) for recipient in recipients]
    armoured: bytes = pyrage.encrypt(plain, keys, armored=True)
    return armoured


def _decrypt(path: Path, armoured: bytes, identities: list[Identity]) -> bytes:
    import pyrage

    try:
        plain: bytes = pyrage.decrypt(armoured, identities)
    except pyrage.DecryptError as error:
        if "no matching keys" in str(error).lower():
            raise agekey.NoKey(
                f"{path} was encrypted for another age key than {agekey.described()}.",
                f"Set {agekey.VARIABLE} to the key that made it, or to a file that holds that key; or have somebody who"
                " can open it add yours to spec.access.age_recipients and run `anywhere secrets recrypt`.",
            ) from None
        raise _damaged(path, _why(armoured) or str(error).splitlines()[0].rstrip(".")) from None
    return plain


def _why(armoured: bytes) -> str:
    """What a person did to a store that does not decrypt, "" where that cannot be seen."""
    if not armoured.strip():
        return "it is empty"
    if git.conflict(armoured.decode("ascii", "replace")):
        return "it has the markers of a merge conflict; it and the lock must be of one side"
    return "" if armoured.lstrip().startswith(_ARMOUR) else "it is no armoured age file"


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is damaged: {reason}.", "Restore it from git or from a backup; nothing was written to it."
    )


def _encode(store: Store) -> bytes:
    content = {
        "apiVersion": API_VERSION,
        "cluster": store.cluster,
        "id": store.id,
        "recipients": list(store.recipients),
        "targets": {target: _encode_secrets(secrets) for target, secrets in store.targets.items()},
    }
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _encode_secrets(secrets: Secrets) -> dict[str, Any]:
    content = asdict(secrets)
    del content["cluster"]  # it is the store's
    token = content.pop("token")
    content["bootstrap_token"] = token and {**token, "made": token["made"].isoformat()}
    if rotation := secrets.rotation:
        content["rotation"]["rolled_out"] = rotation.rolled_out and rotation.rolled_out.isoformat()
    content["encrypted"] = secrets.encrypted and secrets.encrypted.isoformat()
    return content


def _decode(path: Path, plain: bytes) -> Store:
    try:
        content = json.loads(plain)
        if content["apiVersion"] not in (API_VERSION, BEFORE, SHARED):
            raise UserError(
                f"{path} has apiVersion {content['apiVersion']!r}; this version knows {API_VERSION!r}.",
                "Use the version of anywhere that wrote it.",
            )
        cluster = content["cluster"]
        if content["apiVersion"] == SHARED:
            return Store(cluster, shared=_decode_secrets(cluster, content))
        return Store(
            cluster,
            str(content["id"]),
            {target: _decode_secrets(cluster, secrets) for target, secrets in content["targets"].items()},
            tuple(content["recipients"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # The reason would quote what it failed on, which is secret.
        raise _damaged(path, "it decrypts, but its content is not what anywhere writes") from None


def _decode_secrets(cluster: str, content: Mapping[str, Any]) -> Secrets:
    return Secrets(
        cluster=cluster,
        authorities={name: Pair(**pair) for name, pair in content["authorities"].items()},
        leaves={name: Pair(**pair) for name, pair in content["leaves"].items()},
        keys=dict(content["keys"]),
        token=_decode_token(content["bootstrap_token"]),
        rotation=_decode_rotation(content.get("rotation")),
        generation=int(content.get("generation", 0)),
        encrypted=_decode_moment(content.get("encrypted")),
    )


def _decode_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _decode_rotation(content: Mapping[str, Any] | None) -> Rotation | None:
    if content is None:
        return None
    pair = content["pair"]
    return Rotation(
        subject=content["subject"],
        phase=Phase(content["phase"]),
        pair=pair and Pair(**pair),
        key=content["key"],
        rolled_out=_decode_moment(content["rolled_out"]),
    )


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
        rewrite(path, content, PRIVATE)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.",
            "Free space or fix the folder's permissions, then try again; the old store is untouched.",
        ) from None
