"""The lock beside a definition: read, made, and completed with what a target needs in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from generator import lock as locks
from generator import registry_login, topology
from generator.definition import Definition
from generator.directories import archives, cache
from generator.images import cache as image_cache
from generator.images import catalog
from generator.lock import Lock
from generator.operations.project import Project
from generator.progress import Progress


def ensure(project: Project, progress: Progress) -> Lock:
    """The lock, made where there is none, with a block of addresses for every pool; written where that changed it."""
    path = locks.path_beside(project.definition.path)
    if not path.exists():
        make(project, progress)
    lock = locks.read(path)
    check(lock, project.definition, project.provider.name)
    blocks = topology.blocks(project.definition, lock.blocks)
    completed = complete(project, replace(lock, blocks=blocks), progress)
    if completed != lock:
        locks.write(path, completed)
    return completed


def complete(project: Project, lock: Lock, progress: Progress) -> Lock:
    """`lock` with what it lacks for this target: it may have been made for another one."""
    provider = project.provider
    if provider.name not in lock.facts:
        lock = replace(lock, facts={**lock.facts, provider.name: facts(project, progress)})
    if provider.installs_packages:
        from generator import packages

        missing = [arch for arch in project.definition.architectures if arch not in lock.packages]
        made = {arch: packages.ensure(arch, cache(), progress) for arch in missing}
        lock = replace(lock, packages={**lock.packages, **made})
    if lock.base is None and (base := provider.base(progress)):
        lock = replace(lock, base=base)
    return lock


def facts(project: Project, progress: Progress) -> dict[str, Any]:
    """The target's facts, asked now: see `Provider.facts`."""
    with progress.phase(f"look at {project.provider.name}"):
        return dict(project.provider.facts(project.definition))


def check(lock: Lock, definition: Definition, provider: str) -> None:
    """UserError where the lock does not match the definition, or lacks an image; `provider` is for the remedy."""
    wanted = [image.name for image in catalog.wanted(lock.kubernetes, lock.driver)]
    locks.check(lock, definition, wanted, provider)


def make(project: Project, progress: Progress) -> Lock:
    """Choose and pin everything the cluster is made of; pools keep the addresses they have."""
    registry_login.of(project.definition)  # asked for at once, as a registry that refuses would count as lacking images
    path = locks.path_beside(project.definition.path)
    known = locks.read(path) if path.exists() else None
    # First, as it fails at once where there are no credentials, and images may take minutes.
    facts_by_target = {**(known.facts if known else {}), project.provider.name: facts(project, progress)}
    driver = choose_driver(project, known, progress)
    version, registry = project.definition.kubernetes, project.definition.registry
    images = {
        arch: image_cache.resolve(catalog.wanted(version, driver, arch, registry), archives(), cache(), progress)
        for arch in project.definition.architectures
    }
    base = project.provider.base(progress) or (known.base if known else None)
    blocks = topology.blocks(project.definition, known.blocks if known else {})
    kept = known.packages if known and not project.provider.installs_packages else {}
    lock = complete(project, Lock(version, driver, images, base, blocks, facts_by_target, kept), progress)
    locks.write(path, lock)
    return lock


def choose_driver(project: Project, known: Lock | None, progress: Progress) -> str:
    """What the definition says, else what the lock said; else weave where it can be had and run, else flannel."""
    definition = project.definition
    if decided := definition.network.driver or (known and known.driver):
        return decided
    if reason := project.provider.unfit_drivers(definition).get("weave"):
        progress.note(f"warning: this cluster's network is flannel instead of weave: {reason}.")
        return "flannel"
    wanted = (
        catalog.wanted(definition.kubernetes, "weave", arch, definition.registry) for arch in definition.architectures
    )
    weave = [image for images in wanted for image in images if image.source == "registry"]
    missing = [image.ref for image in weave if not image_cache.available(image, archives(), cache())]
    if not missing:
        return "weave"
    progress.note(f"warning: {missing[0]} cannot be had here, so this cluster's network is flannel instead of weave;")
    progress.note(
        "  to have weave, put its archives in ANYWHERE_IMAGES, name it in spec.network.driver and lock again."
    )
    return "flannel"
