"""The lock beside a definition: read, completed in memory with what a target needs in it, refreshed, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from generator import lock as locks
from generator import registry_login, store, terraform_state, topology
from generator.definition import ARCHITECTURES, Definition
from generator.directories import archives, cache
from generator.errors import UserError
from generator.images import cache as image_cache
from generator.images import catalog
from generator.images.catalog import Wanted
from generator.lock import Image, Lock, Previous, Updates
from generator.operations import version_guard
from generator.operations.project import Project
from generator.operations.resolution import Resolver
from generator.own_addon import is_own_image
from generator.progress import Progress


def known(project: Project) -> Lock | None:
    """The lock as it is on disk; None where there is none yet."""
    path = locks.path_beside(project.definition.path)
    return locks.read(path) if path.exists() else None


def check_unchanged(project: Project, before: Lock | None) -> None:
    """UserError where the lock on disk is another by now than `before`, which a change of it was made from."""
    if known(project) != before:
        raise UserError(
            f"{locks.path_beside(project.definition.path)} was changed by somebody else meanwhile.",
            "Nothing was written. Run the same command again.",
        )


def resolve(project: Project, resolver: Resolver, progress: Progress) -> Lock:
    """The lock, with what it lacks for this target: it may have been made for another one, or not at all.

    Writes nothing beside the definition. UserError where the lock is for something else than the definition.
    """
    lock = known(project)
    if lock is None:
        return _choose(project, None, resolver, progress)
    _check(lock, project.definition, with_addons=False)
    return _complete(project, lock, resolver)


def founded(project: Project, lock: Lock) -> Lock:
    """The lock of a cluster that begins as the definition has it now, where the target has nothing of it yet.

    The lock may be of one that was destroyed, or of a layout that was never applied.
    """
    target, now = _target(project), topology.founders(project.definition)
    if lock.founders.get(target) == now or _is_there(project):
        return lock
    return replace(lock, founders={**lock.founders, target: now})


def check_founded(project: Project, lock: Lock) -> None:
    """UserError where `founded` would take others in the place of those in the lock: for who resolves nothing."""
    target = _target(project)
    began_with = lock.founders.get(target, ())
    if began_with and founded(project, lock) != lock:
        raise UserError(
            f"{locks.path_beside(project.definition.path)} is of a cluster that began with {', '.join(began_with)}."
            f" Nothing of it is on {target}, and the definition begins with"
            f" {', '.join(topology.founders(project.definition))}.",
            f"Refresh the lock: {locks.RELOCK}.",
        )


def resolve_nothing(project: Project, why: str = "--frozen resolves nothing") -> Lock:
    """The lock as it is; UserError that names what it lacks for this target, and `why` that is not resolved now."""
    path, lock = locks.path_beside(project.definition.path), known(project)
    if lock is None:
        raise UserError(f"There is no lock {path}, and {why}.", f"Make it: {locks.RELOCK}.")
    _check(lock, project.definition, with_addons=False)
    if lacking := _lacking(project, lock):
        raise UserError(f"{path} lacks {', '.join(lacking)}, and {why}.", f"Complete the lock: {locks.RELOCK}.")
    return lock


def images(project: Project) -> tuple[Wanted, ...]:
    """The images of the lock, or those that a lock would name as far as that is decided. Asks nobody."""
    definition, lock = project.definition, known(project)
    kubernetes = lock.kubernetes if lock else definition.kubernetes
    driver = _driver(definition, lock) or "weave"
    return tuple(each for arch in definition.architectures for each in _wanted(definition, kubernetes, driver, arch))


def as_recorded(project: Project, resolver: Resolver) -> Lock:
    """The lock as it is, else one that renders and that no machine is made of: for who applies nothing of it."""
    facts: Mapping[str, Mapping[str, Any]] = {}
    try:
        lock = known(project)
        facts = lock.facts if lock else {}
        return resolve_nothing(project)
    except UserError:
        definition = project.definition
        driver = definition.network.driver or "weave"
        images = {
            arch: resolver.images(catalog.wanted(definition.kubernetes, driver, arch, addons=definition.addons))
            for arch in definition.architectures
        }
        return _complete(project, Lock(definition.kubernetes, driver, images, None, {}, facts), resolver)


def refresh(project: Project, resolver: Resolver, progress: Progress, *, allow_downgrade: bool = False) -> Lock:
    """Choose and pin everything anew, but for what machines are keyed on: driver, addresses, zones, region.

    Updates of Debian come with this alone: without it, a cluster begins with what its machines' images have.

    Writes nothing. UserError where the definition asks for another of these than a cluster that was applied has, or
    for a Kubernetes version that the cluster's cannot be followed by; and where the registry's login is lacking.
    """
    registry_login.of(project.definition)  # asked for at once, before images that take minutes
    lock = known(project)
    if lock:
        version_guard.check(project, lock.kubernetes, "in the lock", "images lock", allow_downgrade=allow_downgrade)
        if _was_applied(project, lock):
            _check_driver(project, lock)
    chosen = founded(project, _choose(project, lock, resolver, progress))
    return replace(chosen, updates=_updates(project.definition, resolver))


def _is_there(project: Project) -> bool:
    """Whether the target has anything of the cluster. A state in a backend says nothing: it outlives the cluster."""
    return terraform_state.has_resources(project.folder) or bool(project.provider.present(project.definition))


def check(lock: Lock, definition: Definition) -> None:
    """UserError where the lock does not match the definition, or lacks an image."""
    _check(lock, definition, with_addons=True)


def choose_driver(project: Project, known: Lock | None, progress: Progress) -> str:
    """What the definition says, else what the lock said; else weave where it can be had and run, else flannel."""
    definition = project.definition
    if decided := _driver(definition, known):
        return decided
    if reason := project.provider.unfit_drivers(definition).get("weave"):
        progress.note(f"warning: this cluster's network is flannel instead of weave: {reason}.")
        return "flannel"
    registry_login.of(definition)  # a registry that refuses would count as lacking images
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


def _driver(definition: Definition, lock: Lock | None) -> str:
    """The network driver that the definition or its lock says; "" where that is open."""
    return definition.network.driver or (lock.driver if lock else "")


def _target(project: Project) -> str:
    return project.provider.name


def _choose(project: Project, lock: Lock | None, resolver: Resolver, progress: Progress) -> Lock:
    """A lock with everything chosen now; pools keep the addresses that they have in `lock`, if there is one."""
    definition, provider = project.definition, project.provider
    # First, as it fails at once where there are no credentials, and images may take minutes.
    facts = resolver.facts()
    if lock and _was_applied(project, lock):
        _check_identity(project, lock.facts.get(provider.name, {}), facts)
    driver = choose_driver(project, lock, progress)
    images = {
        arch: resolver.images(_wanted(definition, definition.kubernetes, driver, arch))
        for arch in definition.architectures
    }
    base = lock.base if lock and provider.installs_packages else None
    kept = lock.packages if lock and not provider.installs_packages else {}
    secrets = lock.secrets if lock else None
    blocks, others = (lock.blocks, lock.facts) if lock else ({}, {})
    chosen = Lock(
        kubernetes=definition.kubernetes,
        driver=driver,
        images=images,
        base=base,
        blocks=blocks,
        facts={**others, provider.name: facts},
        packages=kept,
        founders=lock.founders if lock else {},
        previous=_previous(project, lock, definition.kubernetes, images),
        secrets=secrets,
    )
    return _complete(project, chosen, resolver)


def _complete(project: Project, lock: Lock, resolver: Resolver) -> Lock:
    definition, provider = project.definition, project.provider
    lock = _without_unused(definition, lock)
    if absent := _absent(definition, lock):
        images = {arch: {**held, **resolver.images(absent[arch])} for arch, held in lock.images.items()}
        lock = replace(lock, images=images)
    if provider.name not in lock.facts:
        lock = replace(lock, facts={**lock.facts, provider.name: resolver.facts()})
    missing = [arch for arch in definition.architectures if arch not in lock.packages]
    if provider.installs_packages and missing:
        lock = replace(lock, packages={**lock.packages, **{arch: resolver.packages(arch) for arch in missing}})
    if not provider.installs_packages and lock.base is None:
        lock = replace(lock, base=resolver.base())
    founders = {provider.name: topology.founders(definition), **lock.founders}
    return replace(lock, blocks=topology.blocks(definition, lock.blocks), founders=founders)


def _check(lock: Lock, definition: Definition, *, with_addons: bool) -> None:
    """UserError where the lock does not match the definition, or lacks an image; of those of add-ons if asked to."""
    wanted = catalog.wanted(lock.kubernetes, lock.driver, addons=definition.addons if with_addons else ())
    own = catalog.own(definition, ARCHITECTURES[0]) if with_addons else ()
    locks.check(lock, definition, [each.name for each in (*wanted, *own)])


def _wanted(definition: Definition, kubernetes: str, driver: str, arch: str) -> tuple[Wanted, ...]:
    others = catalog.wanted(kubernetes, driver, arch, definition.registry, definition.addons)
    return (*catalog.own(definition, arch), *others)  # an image that nobody has is told before builds take minutes


def _without_unused(definition: Definition, lock: Lock) -> Lock:
    """`lock` without the images that no add-on of the definition's own asks for any more."""
    used = {each.name for each in catalog.own(definition, ARCHITECTURES[0])}
    images = {
        arch: {name: image for name, image in held.items() if name in used or not is_own_image(name)}
        for arch, held in lock.images.items()
    }
    return replace(lock, images=images)


def _absent(definition: Definition, lock: Lock) -> dict[str, list[Wanted]]:
    """The images of add-ons that the lock lacks, by architecture; {} for none. Manifests take all architectures."""
    absent = {
        arch: [
            each
            for each in _wanted(definition, lock.kubernetes, lock.driver, arch)
            if "containerd" in each.runtimes and each.name not in held
        ]
        for arch, held in lock.images.items()
    }
    return absent if any(absent.values()) else {}


def _updates(definition: Definition, resolver: Resolver) -> dict[str, Updates]:
    """What machines update themselves from, by architecture."""
    if definition.os.updates == "none":
        return {}
    found = {arch: resolver.updates(arch) for arch in definition.architectures}
    return {arch: updates for arch, updates in found.items() if updates}


def _previous(
    project: Project, lock: Lock | None, kubernetes: str, images: Mapping[str, Mapping[str, Image]]
) -> Previous | None:
    """What there is to go back to once a cluster that was applied is made of something else."""
    if lock is None or not _was_applied(project, lock):
        return None
    same = (lock.kubernetes, lock.images) == (kubernetes, images)
    return lock.previous if same else Previous(lock.kubernetes, lock.images)


def _lacking(project: Project, lock: Lock) -> list[str]:
    """What `_complete` would add."""
    definition, provider = project.definition, project.provider
    lacking = [f"the image {each.title}" for images in _absent(definition, lock).values() for each in images]
    lacking += [] if provider.name in lock.facts else [f"the facts of {provider.name}"]
    if provider.installs_packages:
        lacking += [f"the packages for {arch}" for arch in definition.architectures if arch not in lock.packages]
    elif lock.base is None:
        lacking.append("the machine image")
    pools = (pool.name for pool in definition.workers if pool.name not in lock.blocks)
    return lacking + [f"the addresses of pool {name}" for name in pools]


def _was_applied(project: Project, lock: Lock) -> bool:
    """Whether machines may be keyed on what the lock holds: a cluster has secrets from its first apply on."""
    return lock.secrets is not None or store.path_beside(project.definition.path).exists()


def _check_driver(project: Project, lock: Lock) -> None:
    driver = project.definition.network.driver
    if driver not in (None, lock.driver):
        raise UserError(
            f"The network driver is {lock.driver} in the lock and {driver} in {project.definition.path}: a cluster"
            " keeps the one it has.",
            f"Write driver: {lock.driver}, or leave it out. For {driver}, make another cluster, with a definition of"
            " its own.",
        )


def _check_identity(project: Project, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """UserError where a fact that all machines are keyed on would change."""
    for name in project.provider.identity:
        if name in before and name in after and before[name] != after[name]:
            raise UserError(
                f"The {name} of {_target(project)} is {before[name]} in the lock, and would be {after[name]}: no"
                " machine can follow.",
                f"Put {before[name]} back, or make another cluster, with a definition of its own.",
            )
