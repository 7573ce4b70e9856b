"""The programs of a control plane, out of the image archives that this computer has."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path, PurePath

from generator import directories
from generator.errors import UserError
from generator.images import archive_index

HINT = "`anywhere images lock` and `anywhere images pull` of any cluster bring it."


def take(image: str, folder: Path, name: str = "") -> Path:
    """The program `name`, or the one that an image is named after, out of its newest archive.

    UserError where there is none.
    """
    folder.mkdir(exist_ok=True)
    name = name or image
    program = folder / name
    with tarfile.open(newest(image)) as outer:
        manifest = outer.extractfile("manifest.json")
        for layer in json.load(manifest)[0]["Layers"] if manifest else ():
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                for entry in inner:
                    if entry.isfile() and PurePath(entry.name).name == name and (found := inner.extractfile(entry)):
                        with program.open("wb") as out:
                            shutil.copyfileobj(found, out)
                        program.chmod(0o755)
                        return program
    raise UserError(f"The image of {image} has no program {name}.", HINT)


def newest(name: str) -> Path:
    """The archive of an image; UserError where this computer has none."""
    images = directories.archives()
    held = archive_index.holdings(images) if images.is_dir() else {}
    paths = [files[-1].path for ref, files in held.items() if ref.startswith(f"anywhere.local/{name}:")]
    if not paths:
        raise UserError(f"No image of {name} is on this computer.", HINT)
    return max(paths, key=lambda path: path.stat().st_mtime_ns)
