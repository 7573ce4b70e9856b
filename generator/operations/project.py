"""What every verb but `init`, `validate` and `schema` begins with: a definition, a target and a folder."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from generator import lock as locks
from generator import schema, topology
from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from generator.sections import default_target
from generator.topology import Topology
from providers import Provider, load


@dataclass(frozen=True, slots=True)
class Project:
    """A definition on a target; `folder` is where its Terraform files and state are."""

    definition: Definition
    provider: Provider
    folder: Path

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def release(self) -> str:
        """The version of the rendered release, as machines say it; "" where nothing is rendered."""
        document = self.folder / "documents" / "release.json"
        return hashlib.sha256(document.read_bytes()).hexdigest()[:12] if document.exists() else ""

    @property
    def context(self) -> str:
        """What kubectl calls the cluster: a definition may be on several targets."""
        return f"{self.name}-{self.provider.name}"

    @property
    def may_have_backend(self) -> bool:
        """Whether the section of the target has a field for one, set or not."""
        return hasattr(getattr(self.definition.providers, self.provider.name), "backend")

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"


def open_project(file: Path, provider: str, out: Path | None) -> Project:
    """Read the definition and choose the target, where `provider` is "" the definition's own."""
    definition = schema.load(file)
    target = provider or _target(definition)
    folder = out or _beside(definition, target)
    return Project(definition, load(target), folder.absolute())


def _beside(definition: Definition, target: str) -> Path:
    """The folder beside the definition; UserError where that leads elsewhere, as what git brings is not trusted."""
    folder = definition.path.parent / ".anywhere" / f"{definition.name}-{target}"
    for path in (folder.parent, folder):
        if path.is_symlink():
            raise UserError(
                f"{path} is a link to {path.readlink()}: anywhere neither reads nor writes through it.",
                f"Replace it by a folder, or name the one that you mean: --out {shlex.quote(str(folder.resolve()))}.",
            )
    return folder


def _target(definition: Definition) -> str:
    named = definition.providers.named
    if target := default_target(named):
        return target
    options = " or ".join(f"--provider {each}" for each in named)
    raise UserError(f"{definition.path} is for {' and '.join(named)}; which of them is meant?", f"Add {options}.")


def wanted(project: Project) -> Topology:
    """The machines of the definition, with the addresses of its lock where there is one. Writes nothing."""
    path = locks.path_beside(project.definition.path)
    if not path.exists():
        return topology.lay_out(_guaranteed(project), topology.blocks(project.definition, {}))
    return lay_out(project, locks.read(path))


def lay_out(project: Project, lock: Lock) -> Topology:
    """The machines of the definition, addressed by the lock; pools that it does not know get blocks for now."""
    blocks = topology.blocks(project.definition, lock.blocks)
    began_with = lock.founders.get(project.provider.name, ())
    return topology.lay_out(_guaranteed(project), blocks, project.provider.subnets(lock), began_with)


def as_observed(project: Project, wanted: Topology) -> Topology:
    """The `wanted` machines under the names and addresses that the target shows them by."""
    return wanted.grouped if project.provider.manages_workers else wanted


def _guaranteed(project: Project) -> Definition:
    """The definition with the workers that must be there: where machines come and go by themselves, a pool's least."""
    definition = project.definition
    if not project.provider.manages_workers:
        return definition
    pools = (replace(pool, count=pool.least) for pool in definition.workers)
    return replace(definition, workers=tuple(pools))
