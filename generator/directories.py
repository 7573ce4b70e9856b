"""The folders of this computer that all clusters share."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """`$ANYWHERE_CACHE`: image archives, machine images, Terraform plugins; can be deleted at any time."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anywhere"
    return Path(os.environ.get("ANYWHERE_CACHE") or default).absolute()


def archives() -> Path:
    """`$ANYWHERE_IMAGES`: the folder of image archives that comes before every other source."""
    return Path(os.environ.get("ANYWHERE_IMAGES") or cache() / "images").absolute()
