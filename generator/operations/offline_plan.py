"""A plan that asks nobody: of a new cluster, without credentials and without a state."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from generator import render, rendered_folder
from generator.files import write_atomic
from generator.operations import planning, workspace
from generator.operations.project import Project, lay_out
from generator.operations.resolution import Unasked
from generator.operations.review import Review, review
from generator.operations.workspace import Workspace
from generator.progress import Progress

REMARKS: tuple[str, ...] = (
    "This is the plan of a new cluster, whatever is there already. Facts that the lock lacks are made up.",
)


def plan(project: Project, progress: Progress) -> Review:
    """What Terraform would create. The cluster's own folder, its lock and its secrets stay as they are."""
    lock, secrets = workspace.as_recorded(project, Unasked(project))
    with tempfile.TemporaryDirectory(prefix="anywhere-offline-") as folder:
        away = replace(project, folder=Path(folder))
        files = {name: data for name, data in workspace.tree(away, lock, secrets).items() if name != render.BACKEND}
        rendered_folder.write(files, away.folder)
        terraform = workspace.terraform(away, progress)
        for name, data in render.unasked(project.provider.name).items():  # which no tree has
            write_atomic(away.folder / name, data)
        work = Workspace(away, lock, lay_out(away, lock), secrets, terraform, {})
        planning.initialise(work, progress)
        return review(work, planning.plan(work, progress))
