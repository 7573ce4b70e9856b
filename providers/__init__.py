"""One adapter a target. They are loaded by name and never import each other; what clouds share stands beside them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Protocol, cast

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Base, Lock
from generator.progress import Progress
from generator.site import Site
from generator.topology import Topology

NAMES = ("local", "aws", "gce")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a preflight: `hint` says what to do where it is not `ok`.

    Nothing is applied while a check that is `needed` fails; others are only warnings.
    """

    subject: str
    ok: bool
    detail: str
    hint: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """A machine as the target shows it. `console` is its serial log so far, "" where none can be had.

    `group` is that of a worker whose name nobody chose, because its target makes workers by itself. `started` is
    when the machine was last started, in seconds since 1970, 0 where that is not known.
    """

    name: str
    running: bool
    address: str
    console: str
    ssh: tuple[str, ...] = ()  # the command that reaches it
    group: str = ""
    started: float = 0.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """The Terraform resources of a target's module that the generator must know, such as `aws_instance.machine`.

    `machine` and `etcd_disk` have a control-plane machine's name as their key. `upload` has an image or package
    archive each; "" where the target reads archives from this computer. `secret` has a component's name as its key
    and holds its secret document; `document` has one that is no secret, such as the release. `pool` is a group of
    workers, with the pool's name as its key; "" where each worker is a `machine` of its own.
    """

    machine: str
    etcd_disk: str
    document: str
    upload: str = ""
    secret: str = ""
    pool: str = ""


class Stored(Protocol):
    """What machines with etcd keep beside the documents of their cluster. Every method may raise UserError."""

    def names(self, prefix: str) -> tuple[str, ...]:
        """The keys of a folder, in order; `prefix` ends with a slash."""

    def read(self, key: str, path: Path) -> None:
        """Have a file in `path`."""

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a value as JSON."""


class Provider(Protocol):
    """What the CLI asks of a target. Every method may raise UserError.

    Only `prepare`, `create_backend`, `delete_created_by_cluster` and what is `stored` write anything.
    """

    name: str
    identity: tuple[str, ...]  # the facts that all machines are keyed on: a cluster never changes them
    poll: float  # seconds between two observations of machines that are waited for
    api_remedy: str  # what to do where machines are ready, and this computer does not reach their API
    installs_packages: bool  # machines start as the distribution's own image and install an archive of packages
    manages_workers: bool  # a pool is a group of the target's, which creates, names and addresses its workers
    addresses: Addresses
    etcd_disk: int  # GiB of the disk that holds the data of an etcd member

    def preflight(self, definition: Definition, topology: Topology) -> tuple[Check, ...]: ...

    def facts(self, definition: Definition) -> Mapping[str, Any]:
        """What the lock must hold of this target so that rendering stays offline (JSON values)."""

    def foreseen_facts(self, definition: Definition) -> Mapping[str, Any]:
        """What `facts` may look like, where nobody is asked. UserError where they cannot be made up. Pure."""

    def base(self, progress: Progress) -> Base | None:
        """The machine image to lock, made now where it must be; None where `facts` name it."""

    def base_images(self, lock: Lock) -> Mapping[str, str]:
        """What new machines start as, by architecture, in the target's own terms. Pure."""

    def settings(self, definition: Definition, lock: Lock) -> Mapping[str, Any]:
        """Terraform's `settings` variable, of which each target has its own (JSON values). Pure."""

    def subnets(self, lock: Lock) -> tuple[IPv4Network, ...]:
        """The subnets of a network that was there before the cluster; () where the cluster makes its own. Pure."""

    def site(self, definition: Definition, lock: Lock | None) -> Site:
        """Where the cluster stands, and how clients reach its API; without a lock, what the definition says. Pure."""

    def backend(self, definition: Definition) -> Mapping[str, Any] | None:
        """Terraform's backend, {type: arguments}; None for state in the rendered folder. Pure."""

    def has_state(self, definition: Definition) -> bool:
        """Whether the backend that the definition names holds a state."""

    def create_backend(self, definition: Definition) -> str:
        """Have what the backend keeps state in; a line that says what was done. Idempotent."""

    def unfit_drivers(self, definition: Definition) -> Mapping[str, str]:
        """The network drivers that machines of this target cannot run, and why."""

    def prepare(
        self, definition: Definition, topology: Topology, lock: Lock, archives: Path, progress: Progress
    ) -> None:
        """Bring about what Terraform's plan builds on, such as a base image. Idempotent."""

    def environment(self) -> Mapping[str, str]:
        """Variables that Terraform needs for this target."""

    def observe(self, definition: Definition) -> tuple[Observed, ...]: ...

    def present(self, definition: Definition) -> tuple[str, ...]:
        """What can only be this cluster's, a line each: machines and what they stand on. Quick, and not complete."""

    def stored(self, definition: Definition, lock: Lock) -> Stored:
        """What the cluster's machines with etcd keep. Asks nobody yet."""

    def delete_created_by_cluster(self, definition: Definition, progress: Progress) -> None:
        """Delete what the running cluster created on the target, such as load balancers; destroy comes next."""

    def leftovers(self, definition: Definition) -> tuple[str, ...]:
        """What is still there after destroy, a line each."""


def load(name: str) -> Provider:
    """The adapter called `name`, imported now."""
    if name not in NAMES:
        raise UserError(f"There is no provider {name!r}.", f"Use one of: {', '.join(NAMES)}.")
    return cast(Provider, importlib.import_module(f"providers.{name}").provider())
