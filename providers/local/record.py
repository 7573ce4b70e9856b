"""A machine as it is written down in its folder: enough to start it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from providers.local.home import ClusterFolder, read_json, write_json

FILE = "machine.json"
POWER_ON = "anywhere: power-on"  # a line of the console, before those of a boot: see generator.status
CONSOLE = "console.log"  # beside it: what the machine wrote to its serial console


@dataclass(frozen=True, slots=True)
class Record:
    """What a machine is. `memory` in MiB, `disk` in GiB; `ports` name -> port of this computer, `forwards` name -> port
    of the machine.

    `kind` is vm or container. `made` says that the machine's folder was complete once; `seed` is the SHA-256 of what
    cloud-init reads.
    """

    name: str
    role: str
    cpus: int
    memory: int
    disk: int
    base_image: str
    network: str | None
    address: str
    disks: tuple[str, ...]
    egress: bool
    accel: str
    forwards: Mapping[str, int]
    ports: Mapping[str, int]
    seed: str
    made: bool = False
    kind: str = "vm"

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Record:
        return cls(**{**value, "disks": tuple(value["disks"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(folder: Path) -> Record | None:
    """The machine in `folder`; None where none was made."""
    value = read_json(folder / FILE)
    return Record.of(value) if value else None


def write(folder: Path, record: Record) -> None:
    """Write it down in its folder."""
    write_json(folder / FILE, record.to_json())


def mac(cluster: ClusterFolder, machine: str, nic: str) -> str:
    """A locally administered address, always the same for the same NIC."""
    digest = hashlib.sha256(f"{cluster.name} {machine} {nic}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
