"""How what a lock lacks is chosen: made now and pinned, or, by who only looks, foreseen without making anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Protocol

from generator.directories import archives, cache
from generator.images import cache as image_cache
from generator.images.catalog import Wanted, titled
from generator.images.recipe import recipe
from generator.lock import Base, Image, Packages, Updates
from generator.operations.project import Project
from generator.progress import Progress

UNKNOWN = "not made yet"  # the source of what a digest stands for that is not known before it is made


def _placeholder(text: str) -> str:
    """A digest that nothing has, always the same for `text`."""
    return hashlib.sha256(f"{UNKNOWN}: {text}".encode()).hexdigest()


_UNKNOWN_BASE = Base(UNKNOWN.replace(" ", "-"), _placeholder("base"))


class Resolver(Protocol):
    """What a lock is completed with."""

    def facts(self) -> dict[str, Any]:
        """The target's facts, asked now: see `Provider.facts`."""

    def images(self, wanted: Sequence[Wanted]) -> dict[str, Image]:
        """Each image by its name."""

    def packages(self, arch: str) -> Packages: ...

    def updates(self, arch: str) -> Updates | None:
        """What machines that are there update themselves from; None where that is nothing."""

    def base(self) -> Base | None:
        """The machine image, where the target's machines start from one that is made here."""


class Making:
    """Gets or builds whatever is lacking, into the cache, so that its digest is known."""

    def __init__(self, project: Project, progress: Progress) -> None:
        self._project, self._progress = project, progress

    def facts(self) -> dict[str, Any]:
        with self._progress.phase(f"look at {self._project.provider.name}"):
            return dict(self._project.provider.facts(self._project.definition))

    def images(self, wanted: Sequence[Wanted]) -> dict[str, Image]:
        return image_cache.resolve(wanted, archives(), cache(), self._progress)

    def packages(self, arch: str) -> Packages:
        from generator import packages

        return packages.ensure(packages.needed(), arch, cache(), self._progress)

    def updates(self, arch: str) -> Updates | None:
        from generator import packages

        return packages.resolve_updates(self._project.definition.os, arch, cache(), self._progress)

    def base(self) -> Base | None:
        return self._project.provider.base(self._progress)


class Nominal:
    """Asks the target for facts, and has a placeholder for all else."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def facts(self) -> dict[str, Any]:
        return dict(self._project.provider.facts(self._project.definition))

    def images(self, wanted: Sequence[Wanted]) -> dict[str, Image]:
        return {each.name: _unknown_image(each) for each in wanted}

    def packages(self, arch: str) -> Packages:
        return _unknown_packages(arch)

    def updates(self, arch: str) -> Updates | None:
        return None  # who only looks refreshes nothing

    def base(self) -> Base | None:
        return _UNKNOWN_BASE


class Unasked(Nominal):
    """Has a placeholder for everything, and asks nobody."""

    def facts(self) -> dict[str, Any]:
        return dict(self._project.provider.foreseen_facts(self._project.definition))


class Foreseeing(Making):
    """Asks the target for facts, and takes what is on this computer. What is not gets a placeholder, and is counted."""

    def __init__(self, project: Project, progress: Progress) -> None:
        super().__init__(project, progress)
        self._images: list[Wanted] = []
        self._others: list[str] = []

    def images(self, wanted: Sequence[Wanted]) -> dict[str, Image]:
        return {each.name: self._image(each) for each in wanted}

    def packages(self, arch: str) -> Packages:
        self._others.append(titled("the packages of nodes", arch))
        return _unknown_packages(arch)

    def base(self) -> Base | None:
        self._others.append("the machine image, where the cache has none")
        return _UNKNOWN_BASE

    @property
    def complete(self) -> bool:
        """Whether nothing had to be left open."""
        return not (self._images or self._others)

    def remark(self) -> str:
        """What apply makes before it plans, and about how long that takes; "" where that is nothing."""
        if self.complete:
            return ""
        built = [each for each in self._images if image_cache.is_built(each)]
        fetched = [titled(each.name, each.arch) for each in self._images if each not in built]
        parts = [f"builds {_durations(built)}"] if built else []
        parts += [f"fetches {', '.join(fetched)}"] if fetched else []
        parts += [f"makes {' and '.join(self._others)}"] if self._others else []
        return f"The lock is not complete. Before it plans, apply {'; '.join(parts)}. Digests in this plan will differ."

    def _image(self, wanted: Wanted) -> Image:
        if image := image_cache.held(wanted, archives(), cache()):
            return image
        self._images.append(wanted)
        return _unknown_image(wanted)


def _unknown_packages(arch: str) -> Packages:
    return Packages(_placeholder(f"packages {arch}"), 0)


def _unknown_image(wanted: Wanted) -> Image:
    digest = _placeholder(f"image {wanted.ref} {wanted.arch}")
    return Image(wanted.name, wanted.ref, f"sha256:{digest}", digest, 0, UNKNOWN.replace(" ", "-"))


def _durations(built: Sequence[Wanted]) -> str:
    """`hyperkube (about 7 min of CPU), cni, etcd (about 1 min each)`: the longest first."""
    by_minutes = sorted(built, key=lambda each: -recipe(each).minutes)
    said = []
    for minutes, group in groupby(by_minutes, key=lambda each: recipe(each).minutes):
        names = [titled(each.name, each.arch) for each in group]
        said.append(f"{', '.join(names)} (about {minutes} min of CPU{' each' if len(names) > 1 else ''})")
    return ", ".join(said)
