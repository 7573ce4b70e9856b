"""A folder of image archives, indexed by the references of the images in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from generator.files import sha256, write_atomic
from generator.image_reference import canonical
from generator.images import archive
from generator.images.archive import ArchiveFile

MEMORY = ".index.json"


def inspect(folder: Path, memory: Path | None = None) -> Mapping[str, ArchiveFile]:
    """The newest archive of each reference in `folder`."""
    return {ref: files[-1] for ref, files in holdings(folder, memory).items()}


def holdings(folder: Path, memory: Path | None = None) -> Mapping[str, tuple[ArchiveFile, ...]]:
    """Every archive (`*.tar`) in `folder` by canonical reference, newest last.

    Checksums are kept in the folder `memory` (default: `folder` itself), by path, time and size, so that
    the second look is fast. UserError where a file is no image archive.
    """
    remembered = _recall(memory or folder)
    known: dict[str, Any] = {}
    by_reference: dict[str, list[ArchiveFile]] = {}
    for path in _tars(folder):
        key = _key(path)
        facts = known[key] = remembered.get(key) or _facts(path)
        file = ArchiveFile(path, facts["id"], facts["arch"], facts["sha256"], path.stat().st_size, facts["labels"])
        for ref in facts["refs"]:
            by_reference.setdefault(canonical(ref), []).append(file)
    if known.keys() - remembered.keys():
        _remember(memory or folder, {k: v for k, v in remembered.items() if _is_current(k)} | known)
    return {ref: tuple(files) for ref, files in by_reference.items()}


def _tars(folder: Path) -> Iterator[Path]:
    paths = [path for path in folder.glob("*.tar") if path.is_file() and not path.name.startswith(".")]
    yield from sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _key(path: Path) -> str:
    seen = path.stat()
    return f"{seen.st_mtime_ns}:{seen.st_size}:{path.absolute()}"


def _is_current(key: str) -> bool:
    try:
        return _key(Path(key.split(":", 2)[2])) == key
    except OSError:  # it is gone; or the folder was copied from another user's, whose files nobody else may look at
        return False


def _facts(path: Path) -> dict[str, Any]:
    contents = archive.read(path)
    return {
        "refs": list(contents.refs),
        "id": contents.id,
        "arch": contents.arch,
        "labels": dict(contents.labels),
        "sha256": sha256(path),
    }


def _recall(folder: Path) -> dict[str, Any]:
    try:
        remembered = json.loads((folder / MEMORY).read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(remembered, dict):
        return {}
    return {key: facts for key, facts in remembered.items() if "arch" in facts}  # earlier versions left it out


def _remember(folder: Path, facts: Mapping[str, Any]) -> None:
    """Keep what was seen; a folder that cannot be written is only looked at again the next time."""
    with suppress(OSError):
        write_atomic(folder / MEMORY, json.dumps(facts, sort_keys=True).encode())
