"""A plan as a file that is applied elsewhere: Terraform's own plan, and what it was made from. It holds no secret."""

from __future__ import annotations

import io
import json
import shlex
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from generator import lock as locks
from generator import rendered_folder
from generator.directories import cache
from generator.errors import UserError
from generator.files import PRIVATE, rewrite, sha256, write_atomic
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.terraform import Plan

ORIGIN, PLAN, PROVIDERS = "origin.json", "terraform.tfplan", "terraform.lock.hcl"
NAMES = {  # of the fields of an Origin that move, for a person
    "definition": "the definition",
    "lock": "the lock",
    "rendered": "the cluster's secrets, a file that the definition names, or the version of anywhere",
    "state": "the state",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a plan was made from.

    `definition`, `lock` and `rendered`, which is the whole folder, are SHA-256; `state` is the state's version.
    `cache` is a path that the plan has in it.
    """

    cluster: str
    provider: str
    cache: str
    definition: str
    lock: str
    rendered: str
    state: str


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """An opened file: `plan` is Terraform's, `providers` its lock of provider versions, b"" where it had none."""

    path: Path
    origin: Origin
    plan: bytes
    providers: bytes


def check_place(path: Path) -> None:
    """UserError where a plan cannot be saved at `path`: in no folder, or over what is neither a plan nor empty."""
    if not path.parent.is_dir():
        raise UserError(f"--save: there is no folder {path.parent}.", "Create it, or give another path.")
    if path.is_dir():
        raise UserError(f"--save: {path} is a folder.", "Give the path of a file.")
    if path.exists() and not _may_be_replaced(path):
        raise UserError(f"--save: {path} is there, and it is not a saved plan.", "Give the path of a new file.")


def _may_be_replaced(path: Path) -> bool:
    """Whether it is a saved plan itself, or empty, as mktemp makes one."""
    if path.is_file() and path.stat().st_size == 0:
        return True
    try:
        read(path)
    except UserError:
        return False
    return True


def save(workspace: Workspace, plan: Plan, path: Path) -> None:
    """Write `plan` to `path`, which only its owner may read, and of which `check_place` has been asked."""
    project, folder = workspace.project, workspace.project.folder
    origin = Origin(
        project.name,
        project.provider.name,
        str(cache()),
        *_inputs(project),
        rendered_folder.digest(folder),
        workspace.terraform.state_version(),
    )
    providers = folder / ".terraform.lock.hcl"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ORIGIN, json.dumps(asdict(origin), indent=1))
        archive.writestr(PLAN, plan.file.read_bytes())
        archive.writestr(PROVIDERS, providers.read_bytes() if providers.exists() else b"")
    rewrite(path, content.getvalue(), PRIVATE)


def read(path: Path) -> SavedPlan:
    """The saved plan at `path`; UserError where it is something else."""
    try:
        with zipfile.ZipFile(path) as archive:
            origin = Origin(**json.loads(archive.read(ORIGIN)))
            return SavedPlan(path, origin, archive.read(PLAN), archive.read(PROVIDERS))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError, TypeError, ValueError):
        remedy = "Give the path of a file that `anywhere plan --save PLAN` wrote."
        raise UserError(f"{path} is not a saved plan of this version of anywhere.", remedy) from None


def check_inputs(saved: SavedPlan, project: Project) -> None:
    """UserError where the plan is for another cluster, or definition or lock are others than it was made from."""
    origin = saved.origin
    if (origin.cluster, origin.provider) != (project.name, project.provider.name):
        raise UserError(
            f"{saved.path} is a plan for cluster {origin.cluster} on {origin.provider}, not for {project.name} on"
            f" {project.provider.name}.",
            "Give the definition and the --provider that it was made for.",
        )
    if origin.cache != str(cache()):
        raise UserError(
            f"{saved.path} was made where the cache is {origin.cache}; here it is {cache()}.",
            f"Set ANYWHERE_CACHE={origin.cache}, or plan again here.",
        )
    _refuse_moved(saved, zip(("definition", "lock"), _inputs(project), strict=True))


def open_plan(saved: SavedPlan, workspace: Workspace) -> Plan:
    """The plan, for Terraform in an initialised folder; UserError where anything moved since it was made."""
    here = {
        "rendered": rendered_folder.digest(workspace.project.folder),
        "state": workspace.terraform.state_version(),
    }
    _refuse_moved(saved, here.items())
    return workspace.terraform.open_plan(saved.plan)


def install_providers(saved: SavedPlan, folder: Path) -> None:
    """Have Terraform choose the providers that the plan was made with, where this folder has no choice of its own."""
    path = folder / ".terraform.lock.hcl"
    if saved.providers and not path.exists():
        write_atomic(path, saved.providers)


def _inputs(project: Project) -> tuple[str, str]:
    """The SHA-256 of definition and lock; "" for a lock that is not there yet."""
    lock = locks.path_beside(project.definition.path)
    return sha256(project.definition.path), sha256(lock) if lock.exists() else ""


def _refuse_moved(saved: SavedPlan, here: Iterable[tuple[str, str]]) -> None:
    moved = [NAMES[name] for name, value in here if getattr(saved.origin, name) != value]
    if moved:
        again = f"`anywhere plan --save {shlex.quote(str(saved.path))}`"
        raise UserError(
            f"{saved.path} is out of date: {' and '.join(moved)} changed after it was made.",
            f"Nothing was changed. Plan again with {again}, and review that plan.",
        )
