"""The picture of a cluster, from its definition and, where there is one, its lock. Writes nothing, and asks nobody."""

from __future__ import annotations

import providers
from generator import lock as locks
from generator.drawing import diagram, marks
from generator.drawing.diagram import Diagram
from generator.drawing.marks import Made, Plan
from generator.errors import UserError
from generator.operations.project import Project, wanted


def draw(project: Project) -> Diagram:
    """What a picture of the project's cluster shows."""
    definition, provider = project.definition, project.provider
    path = locks.path_beside(definition.path)
    lock = locks.read(path) if path.exists() else None
    driver = lock.driver if lock else definition.network.driver or ""
    site = provider.site(definition, lock)
    return diagram.describe(definition, wanted(project), site, provider.name, driver, grouped=provider.manages_workers)


def draw_plan(project: Project, text: str, file: str) -> Diagram:
    """The same with what a plan does to each machine: `text` is what `plan --json` printed to `file`."""
    addresses = project.provider.addresses
    plan = marks.read(text, file, Made(addresses.machine, addresses.pool))
    _refuse_foreign(project, plan)
    return marks.mark(draw(project), plan)


def _refuse_foreign(project: Project, plan: Plan) -> None:
    """UserError where the plan is of another target, whose machines may have the same names."""
    for name in providers.NAMES:
        if name != project.provider.name and providers.load(name).addresses.machine in plan.resources:
            raise UserError(f"The plan is for {name}.", f"Draw the cluster there: --provider {name}.")
