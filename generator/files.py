"""Files that are known by their content."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from generator.errors import UserError


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bring(source: Path, target: Path) -> None:
    """The same file at `target`, whole or not at all: a hard link where that can be, else a copy."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        _duplicate(source.resolve(), temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _duplicate(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            message = f"{source} cannot be copied to {target.parent}: {error.strerror}."
            raise UserError(message, "Free space there, or let ANYWHERE_CACHE name another folder.") from None
