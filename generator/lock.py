"""`cluster.lock.yaml`: the only source of digests, checksums, base images and cloud facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.definition import Definition
from generator.errors import InvalidFile, UserError
from generator.files import rewrite
from generator.kubernetes_version import is_older

if TYPE_CHECKING:
    from generator.schema.lockfile import ImageEntry, SecretsEntry, UpdatesEntry

APPLIED = "Run `anywhere apply` first; where that was done already, get the lock back from git."
RELOCK = "`anywhere images lock`"  # what refreshes a lock; whoever prints it names the definition and the target

_HEADER = """\
# What {name} is made of: images by digest, the base image by checksum, address blocks of worker pools.
# Made by `anywhere images lock {name}`; commit it, and do not edit it. No secret is in it.
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A container image, pinned.

    `ref` is the name containers are started by; `id` is the digest of the image configuration, as Docker
    shows it (`sha256:...`); `archive` is the SHA-256 of its docker-archive tar, in hex, which is also its
    file name in the image cache; `size` is that archive's, in bytes; `source` says where it was had
    (`folder`, `registry`, `release`, `build`). `digest` is that of its manifest in the registry that it was had from,
    "" where that is not known.
    """

    name: str
    ref: str
    id: str
    archive: str
    size: int
    source: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Base:
    """The machine image of local VMs: `sha256` of the qcow2 file, `source` is `debian-archive` or `cloud-image`."""

    source: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Packages:
    """What machines that start as the distribution's own image need beside it: an archive of packages.

    `sha256` is that of the tar, `size` is in bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Update:
    """A package as it is to be: its version, and the SHA-256 of its file."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Updates:
    """What machines that are there update themselves from: an archive as in `Packages`, and what it holds, by name."""

    archive: Packages
    packages: Mapping[str, Update]


@dataclass(frozen=True, slots=True)
class Previous:
    """What a cluster was made of before, to which it may go back: a version of Kubernetes, and images as in `Lock`."""

    kubernetes: str
    images: Mapping[str, Mapping[str, Image]]


@dataclass(frozen=True, slots=True)
class PublicSecrets:
    """What everybody may know of a target's secrets.

    `authorities` has the SHA-256 of the public key of each CA that signs, `documents` the version of each secret
    document. `generation` grows with every phase of a rotation.
    """

    authorities: Mapping[str, str]
    documents: Mapping[str, str]
    generation: int = 0


@dataclass(frozen=True, slots=True)
class StoreRecord:
    """The store that belongs to the cluster, by its id, and what each target has in it."""

    store: str
    targets: Mapping[str, PublicSecrets]


@dataclass(frozen=True, slots=True)
class Lock:
    """What a cluster is made of. `images`, `packages` and `updates` go by architecture, and images then by name.

    `blocks` gives each worker pool its block of addresses, permanently; `facts` is what each target told about itself.
    `founders` are the etcd machines and masters that the cluster began with on each target, by name: they found etcd,
    and share the addresses of the network among themselves. `secrets` is None until secrets are made.
    """

    kubernetes: str
    driver: str
    images: Mapping[str, Mapping[str, Image]]
    base: Base | None
    blocks: Mapping[str, int]
    facts: Mapping[str, Mapping[str, Any]]
    packages: Mapping[str, Packages] = field(default_factory=dict)
    updates: Mapping[str, Updates] = field(default_factory=dict)
    founders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    previous: Previous | None = None
    secrets: StoreRecord | None = None

    def public_secrets(self, target: str) -> PublicSecrets | None:
        """What it records of the target's secrets; None where they are not made yet."""
        return self.secrets.targets.get(target) if self.secrets else None


def path_beside(definition: Path) -> Path:
    """`cluster.yaml` -> `cluster.lock.yaml`, in the same folder."""
    return definition.with_suffix(".lock.yaml")


def read(path: Path, absent: str = f"Make it: {RELOCK}.") -> Lock:
    """Read a lock; UserError with the hint `absent` where there is none, InvalidFile where it is damaged."""
    from generator import source
    from generator.decode import decode
    from generator.schema.lockfile import LockFile

    if not path.exists():
        raise UserError(f"There is no lock {path}.", absent)
    try:
        file = decode(source.read(path), LockFile)
    except InvalidFile as error:
        error.hint = f"Restore {path.name} from git; machines have their addresses by what it holds."
        raise
    return Lock(
        kubernetes=file.kubernetes,
        driver=file.driver,
        images=_images(file.images),
        base=Base(**dict(file.base)) if file.base else None,
        blocks=dict(sorted(file.blocks.items())),
        facts=file.facts,
        packages={arch: Packages(**dict(packages)) for arch, packages in sorted(file.packages.items())},
        updates={arch: _updates(updates) for arch, updates in sorted(file.updates.items())},
        founders={target: tuple(names) for target, names in sorted(file.founders.items())},
        previous=Previous(file.previous.kubernetes, _images(file.previous.images)) if file.previous else None,
        secrets=_secrets(file.secrets) if file.secrets else None,
    )


def _images(entries: Mapping[str, Mapping[str, ImageEntry]]) -> dict[str, dict[str, Image]]:
    return {
        arch: {name: Image(name=name, **dict(image)) for name, image in sorted(images.items())}
        for arch, images in sorted(entries.items())
    }


def _updates(entry: UpdatesEntry) -> Updates:
    packages = {name: Update(package.version, package.sha256) for name, package in sorted(entry.packages.items())}
    return Updates(Packages(entry.sha256, entry.size), packages)


def _secrets(entry: SecretsEntry) -> StoreRecord:
    targets = {name: PublicSecrets(**dict(public)) for name, public in sorted(entry.targets.items())}
    return StoreRecord(entry.store, targets)


def write(path: Path, lock: Lock) -> None:
    """Write it atomically, sorted, so that a diff shows only what changed."""
    try:
        rewrite(path, _text(path, lock).encode())
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", "Free space there, or fix the folder's permissions."
        ) from None


def downgrade(verb: str) -> str:
    """What to do where the version of a definition is older than it was; `verb` takes it back if told so."""
    return (
        "Set spec.kubernetes.version back: Kubernetes does not support downgrades. To undo an upgrade that has not"
        f" reached every machine, run `anywhere {verb} --allow-downgrade`."
    )


def remedy(lock: Lock, kept: str) -> str:
    """What to do where a lock does not match its definition.

    `kept` is what differs and stays as the lock has it once there are secrets, as "driver: weave"; "" for nothing.
    """
    if kept and lock.secrets:
        return (
            f"Put back {kept}: a cluster keeps what it was made with. Another value takes a new cluster: a copy of the"
            " definition with another metadata.name."
        )
    return f"Refresh the lock: {RELOCK}."


def check(lock: Lock, definition: Definition, images: Collection[str]) -> None:
    """UserError where `lock` was made for something else than `definition`, saying all that differs.

    `images` are the names of those that a cluster of the lock's version and driver is made of.
    """
    wrong, kept = [], ""
    if lock.kubernetes != definition.kubernetes:
        wrong.append(f"Kubernetes is {lock.kubernetes} in the lock and {definition.kubernetes} in the definition")
    if definition.network.driver not in (None, lock.driver):
        kept = f"driver: {lock.driver}"
        wrong.append(
            f"the network driver is {lock.driver} in the lock and {definition.network.driver} in the definition"
        )
    for arch in definition.architectures:
        if arch not in lock.images:
            wrong.append(f"the lock has no images for {arch}")
        elif absent := sorted(set(images) - lock.images[arch].keys()):
            wrong.append(f"the lock has no image called {', '.join(absent)} for {arch}")
    if wrong:
        path, older = definition.path, is_older(definition.kubernetes, lock.kubernetes)
        raise UserError(
            f"{path_beside(path)} does not match {path}: {', and '.join(wrong)}.",
            downgrade("images lock") if older else remedy(lock, kept),
        )


def _text(path: Path, lock: Lock) -> str:
    from io import StringIO

    from ruamel.yaml import YAML

    value: dict[str, Any] = {"apiVersion": "anywhere/v1", "kind": "Lock", **asdict(lock)}
    for images in (*value["images"].values(), *((value["previous"] or {}).get("images") or {}).values()):
        for image in images.values():
            del image["name"]  # it is the key
            if not image["digest"]:
                del image["digest"]
    for public in (value["secrets"] or {"targets": {}})["targets"].values():
        if not public["generation"]:
            del public["generation"]
    for updates in value["updates"].values():
        updates |= updates.pop("archive")
    value["founders"] = {target: list(names) for target, names in value["founders"].items()}
    for name in ("packages", "updates", "founders"):
        if not value[name]:
            del value[name]
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.allow_unicode = False  # else a key may hold a raw line break such as U+0085
    yaml.dump({key: child for key, child in value.items() if child is not None}, text)
    return f"{_HEADER.format(name=_definition(path).name)}{text.getvalue()}"


def _definition(path: Path) -> Path:
    """`cluster.lock.yaml` -> `cluster.yaml`."""
    return path.with_name(path.name.replace(".lock.yaml", ".yaml"))
