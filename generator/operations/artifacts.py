"""What machines are made from: container images, packages and machine images."""

from __future__ import annotations

from generator import release
from generator.directories import archives, cache
from generator.images import cache as image_cache
from generator.lock import Lock
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan


def prepare(workspace: Workspace, plan: Plan, progress: Progress) -> None:
    """Have everything that `plan` needs before it makes machines: archives in the cache, a machine image.

    A target that archives are uploaded to keeps them: they are fetched only where the plan uploads one.
    """
    provider = workspace.project.provider
    upload = provider.addresses.upload
    if not upload or any(change.resource == upload for change in plan.changes):
        fetch(workspace.project, workspace.lock, progress)
    provider.prepare(workspace.project.definition, workspace.topology, workspace.lock, archives(), progress)


def fetch(project: Project, lock: Lock, progress: Progress) -> None:
    """Have every image of the lock in the cache, the packages where machines install them, and updates."""
    from generator import packages

    definition = project.definition
    image_cache.present(lock, archives(), cache(), progress, definition.registry)
    for arch in definition.architectures:
        if project.provider.installs_packages:
            packages.present(packages.needed(), lock.packages[arch], arch, cache(), progress)
        if updates := release.updates(definition, lock).get(arch):
            packages.present(packages.updating(definition.os, arch), updates.archive, arch, cache(), progress)
