"""`anywhere_disk`: a disk that outlives the machine it is attached to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generator.command import run
from providers.local import names
from providers.local.home import ClusterFolder, read_json, remove_empty, write_json
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import Attribute, InvalidAttribute, State

GIB = 1 << 30


def size_of(image: Path) -> int:
    """The virtual size of an image in GiB, also while a machine has it open."""
    shown = run(["qemu-img", "info", "--force-share", "--output=json", image], f"Reading {image}")
    return int(json.loads(shown)["virtual-size"]) // GIB


def resize(image: Path, size: int) -> None:
    """Grow a disk that no machine has open to `size` GiB; the same size is no change."""
    if size_of(image) < size:
        run(["qemu-img", "resize", "-q", "-f", "qcow2", image, f"{size}G"], f"Growing {image}")


def file_of(cluster: ClusterFolder, disk: str) -> Path:
    return cluster.disks / f"{disk}.qcow2"


def serial_of(cluster: ClusterFolder, disk: str) -> str:
    """What the guest sees it as: /dev/disk/by-id/virtio-SERIAL."""
    record = read_json(cluster.disks / f"{disk}.json")
    return str(record["serial"]) if record else disk[:20]


class Disk(Resource[ClusterFolder]):
    description = "A disk that outlives its machine. A larger size is taken when its machine next starts."
    schema = {
        "id": Attribute("string", "The disk's name.", computed=True),
        "name": Attribute("string", "Its name within the cluster.", required=True, replace=True),
        "size": Attribute("number", "GiB; it can only grow.", required=True),
        "serial": Attribute(
            "string", "In the machine it is /dev/disk/by-id/virtio-SERIAL.", required=True, replace=True
        ),
    }

    @classmethod
    def validate(cls, config: State) -> None:
        names.check_name(config["name"])
        names.check_least(config["size"], 1, "GiB", "size")
        serial = config["serial"]
        if is_known(serial) and not (0 < len(serial) <= 20 and serial.replace("-", "").isalnum()):
            raise InvalidAttribute(f"{serial!r} is no serial.", "Use at most 20 letters, digits and dashes.", "serial")

    def plan(self, prior: State | None, planned: State, config: State) -> State:
        if prior is not None and is_known(planned["size"]) and planned["size"] < prior["size"]:
            hint = "Disks only grow. To throw its data away, use `terraform apply -replace`."
            raise InvalidAttribute(f"Disk {planned['name']} has {prior['size']} GiB already.", hint, "size")
        return planned

    def create(self, planned: State, config: State) -> State:
        name, path = planned["name"], file_of(self.settings, planned["name"])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(path.with_suffix(".json"), {"serial": planned["serial"], "size": planned["size"]})
        if not path.exists():  # an interrupted apply made it already: keep its data
            unfinished = path.with_suffix(".new")
            run(["qemu-img", "create", "-q", "-f", "qcow2", unfinished, f"{planned['size']}G"], f"Making {unfinished}")
            unfinished.replace(path)
        return {**planned, "id": name}

    def read(self, state: State) -> State | None:
        path = file_of(self.settings, state["name"])
        if not path.exists():
            self.warnings.warn(f"Disk {state['name']} is gone.", f"{path} does not exist; apply makes an empty one.")
            return None
        return state

    def update(self, prior: State, planned: State, config: State) -> State:
        path: Any = file_of(self.settings, planned["name"]).with_suffix(".json")
        write_json(path, {"serial": planned["serial"], "size": planned["size"]})
        return planned

    def delete(self, state: State) -> None:
        path = file_of(self.settings, state["name"])
        for suffix in (".qcow2", ".json", ".new"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        remove_empty(self.settings.disks)


def ensure_size(cluster: ClusterFolder, disk: str) -> None:
    """Let a disk whose machine is off have the size that its resource asks for."""
    record = read_json(cluster.disks / f"{disk}.json")
    if record:
        resize(file_of(cluster, disk), int(record["size"]))
