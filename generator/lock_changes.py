"""What moved between two locks, a line each, for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from generator.lock import Image, Lock

SHORT = 12  # hexadecimal digits of a digest that are shown


def describe(before: Lock | None, after: Lock) -> tuple[str, ...]:
    """Each thing that is new or another one in `after`; () where nothing moved. What belongs to secrets is left out."""
    old = _flat(before) if before else {}
    new = _flat(after)
    return tuple(
        _line(name, old.get(name), new.get(name)) for name in _names(old, new) if old.get(name) != new.get(name)
    )


def _names(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys((*new, *old)))


def _line(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name}: {new}"
    return f"{name}: {old} -> {new}" if new is not None else f"{name}: {old} is no longer needed"


def _flat(lock: Lock) -> dict[str, str]:
    """Everything that may move, by what a person calls it."""
    return dict(_entries(lock))


def _entries(lock: Lock) -> Iterator[tuple[str, str]]:
    yield "kubernetes", lock.kubernetes
    yield "network driver", lock.driver
    for arch, images in lock.images.items():
        for name, image in images.items():
            yield f"image {name} ({arch})", _image(image)
    for arch, packages in lock.packages.items():
        yield f"packages ({arch})", packages.sha256[:SHORT]
    for arch, updates in lock.updates.items():
        for name, package in updates.packages.items():
            yield f"update of {name} ({arch})", package.version
    if lock.base:
        yield "machine image", f"{lock.base.source} {lock.base.sha256[:SHORT]}"
    for pool, block in lock.blocks.items():
        yield f"addresses of pool {pool}", f"block {block}"
    for target, names in lock.founders.items():
        yield f"{target} begins with", ", ".join(names)
    for target, facts in lock.facts.items():
        for path, value in _leaves(facts):
            yield f"{target} {path}", value


def _image(image: Image) -> str:
    return f"{image.ref.rpartition(':')[2]} {image.id.removeprefix('sha256:')[:SHORT]} from {image.source}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A mapping by its paths, such as `images.amd64`; a list in one line."""
    if not isinstance(value, Mapping):
        yield path, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return
    for key, child in value.items():
        yield from _leaves(child, f"{path}.{key}" if path else str(key))
