"""The folders of this computer that all clusters share."""

from __future__ import annotations

import os
from pathlib import Path

from generator.errors import UserError


def of_user(path: str) -> Path:
    """`path` with its `~`; UserError where that is unknown, as of a user whom the system does not list."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError("Your home folder is unknown: HOME is not set.", "Set HOME to a folder of yours.") from None


def cache() -> Path:
    """`$ANYWHERE_CACHE`: image archives, machine images, Terraform plugins; can be deleted at any time."""
    if given := os.environ.get("ANYWHERE_CACHE"):
        return Path(given).absolute()
    return (of_user(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "anywhere").absolute()


def archives() -> Path:
    """`$ANYWHERE_IMAGES`: the folder of image archives that comes before every other source."""
    return Path(os.environ.get("ANYWHERE_IMAGES") or cache() / "images").absolute()
