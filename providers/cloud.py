"""What is the same in the adapters of all clouds."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from pathlib import Path

from generator.definition import ETCD_DISK, Definition
from generator.lock import Base, Lock
from generator.progress import Progress
from generator.topology import Topology
from providers import locked


class Cloud:
    """A cloud's machines start as Debian's own image there, and a pool is a group of its machines."""

    name: str
    identity: tuple[str, ...]
    installs_packages = True
    manages_workers = True
    etcd_disk = ETCD_DISK

    @property
    def api_remedy(self) -> str:
        return (
            f"Reach its network by a VPN, or set providers.{self.name}.load_balancer: true and put this computer's "
            "public address in admin_cidrs; then apply again."
        )

    def base(self, progress: Progress) -> Base | None:
        """None: the facts name the machine images."""
        return None

    def base_images(self, lock: Lock) -> Mapping[str, str]:
        return locked.images(lock, self.name)

    def subnets(self, lock: Lock) -> tuple[IPv4Network, ...]:
        return locked.subnets(lock, self.name)

    def unfit_drivers(self, definition: Definition) -> Mapping[str, str]:
        return {}

    def prepare(
        self, definition: Definition, topology: Topology, lock: Lock, archives: Path, progress: Progress
    ) -> None:
        """Nothing: Terraform makes all of it."""

    def environment(self) -> Mapping[str, str]:
        return {}
