"""vmalert-tool, which tests rules as vmalert evaluates them. No machine needs it, so it is in no image.

It is compiled from the module of the image once this computer has built that, and kept in the cache.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.rollout import programs
from generator import directories
from generator.errors import UserError
from generator.images import build, recipe, toolchain
from generator.progress import Silent

NAME, IMAGE = "vmalert-tool", "victoria-metrics"


class Missing(Exception):
    """It cannot be had here, and why."""


def program() -> Path:
    """The program; Missing where this computer never built the image, or cannot compile it now."""
    described = replace(recipe.RECIPES[IMAGE], programs={NAME: f"{recipe.VICTORIA_METRICS}/app/{NAME}"})
    try:
        arch = toolchain.host()
        path = directories.cache() / "tools" / f"{NAME}-{described.key(arch)[:12]}"
        if not path.exists():
            programs.newest(IMAGE)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as work:
                made = build.compile_programs(described, arch, Path(work), directories.cache(), Silent())
                shutil.move(made[NAME], path)
    except UserError as error:
        raise Missing(f"{NAME}: {error} {error.hint}") from None
    return path
