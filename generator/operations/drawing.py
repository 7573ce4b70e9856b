"""The picture of a cluster, from its definition and, where there is one, its lock. Writes nothing, and asks nobody."""

from __future__ import annotations

from generator import lock as locks
from generator.drawing import diagram
from generator.drawing.diagram import Diagram
from generator.operations.project import Project, wanted


def draw(project: Project) -> Diagram:
    """What a picture of the project's cluster shows."""
    definition, provider = project.definition, project.provider
    path = locks.path_beside(definition.path)
    lock = locks.read(path) if path.exists() else None
    driver = lock.driver if lock else definition.network.driver or ""
    site = provider.site(definition, lock)
    return diagram.describe(definition, wanted(project), site, provider.name, driver, grouped=provider.manages_workers)
