"""The age key that opens the store: `ANYWHERE_AGE_KEY` (its text, or a file's path), else the user's own file."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.directories import of_user
from generator.errors import UserError
from generator.files import PRIVATE, create_atomic

if TYPE_CHECKING:
    from pyrage.x25519 import Identity  # type: ignore[import-untyped]

VARIABLE = "ANYWHERE_AGE_KEY"
PREFIX = "AGE-SECRET-KEY-"


class NoKey(UserError):
    """The key at hand does not open the store, or there is none: who only looks may do without."""


def default_path() -> Path:
    """`$XDG_CONFIG_HOME/anywhere/age.key`, or the same under `~/.config`."""
    return of_user(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "anywhere" / "age.key"


def described() -> str:
    """Where the key in use comes from, for messages; never the key itself."""
    return f"the one in {VARIABLE}" if os.environ.get(VARIABLE, "").strip() else f"the one in {default_path()}"


def load(store: Path) -> list[Identity]:
    """The identities that may open `store`; NoKey where there is none, as a new one could not open it."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return _parse(given, VARIABLE) if _is_text(given) else _read_given(of_user(given))
    path = default_path()
    if not path.exists():
        raise NoKey(
            f"{store} is encrypted, and there is no key to open it: {path} does not exist.",
            f"Copy the key that made it to {path} (mode 0600), or set {VARIABLE} to it.",
        )
    return _read(path)


def load_or_make() -> list[Identity]:
    """The identities to encrypt for; the default key file is made where nothing else is given."""
    path = default_path()
    if not os.environ.get(VARIABLE, "").strip() and not path.exists():
        _make(path)
    return load(path)


def public(identities: list[Identity]) -> list[str]:
    """The recipients that these identities open files of."""
    return [str(identity.to_public()) for identity in identities]


def new() -> str:
    """The text of a new key that is nobody's own."""
    import pyrage  # type: ignore[import-untyped]

    return str(pyrage.x25519.Identity.generate())


def recipient(key: str) -> str:
    """The public half of a key, given as text."""
    import pyrage

    return str(pyrage.x25519.Identity.from_str(key).to_public())


def open_file(path: Path, key: str, into: Any) -> bool:
    """Decrypt a file of any size with a key, given as text, into a writable object; whether all of it could be."""
    import pyrage

    try:
        with path.open("rb") as file:
            pyrage.decrypt_io(file, into, [pyrage.x25519.Identity.from_str(key)])
    except (pyrage.DecryptError, OSError):
        return False
    return True


def is_at_hand() -> bool:
    """Whether there is a key on this computer, right or wrong."""
    return bool(os.environ.get(VARIABLE, "").strip()) or default_path().exists()


def _is_text(given: str) -> bool:
    return given.upper().startswith(PREFIX) or "\n" in given


def _read_given(path: Path) -> list[Identity]:
    if not path.exists():  # the value is not shown: it may be a key that was pasted badly
        raise UserError(
            f"{VARIABLE} is neither an age key ({PREFIX}1...) nor the path of a file that exists.",
            f"Set it to either, or unset it to use {default_path()}.",
        )
    return _read(path)


@cache
def _text(path: Path) -> str:
    # Kept, as what a shell's <(...) gives can be read only once.
    return path.read_text("ascii")


def _read(path: Path) -> list[Identity]:
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            raise UserError(
                f"Others may read the age key {path} (mode {stat.S_IMODE(status.st_mode):04o}).",
                f"Run: chmod 600 {shlex.quote(str(path))}",
            )
        text = path.read_text("ascii") if stat.S_ISREG(status.st_mode) else _text(path)
    except OSError as error:
        raise UserError(
            f"The age key {path} cannot be read: {error.strerror}.", f"Check who owns it, or set {VARIABLE}."
        ) from None
    except ValueError:
        text = ""
    return _parse(text, str(path))


def _parse(text: str, source: str) -> list[Identity]:
    import pyrage

    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    try:
        identities = [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError:
        identities = []
    if not identities:
        raise UserError(
            f"{source} holds no valid age key.", f"It must have a line {PREFIX}1..., as age-keygen writes it."
        )
    return identities


def _make(path: Path) -> None:
    """Write a new key as age-keygen would; where another process was first, its key stays."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    made = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    text = f"# created: {made}\n# public key: {identity.to_public()}\n{identity}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            create_atomic(path, text.encode(), PRIVATE)
    except OSError as error:
        raise UserError(
            f"The age key {path} cannot be made: {error.strerror}.", f"Fix that, or set {VARIABLE} to a key of yours."
        ) from None
