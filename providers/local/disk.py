"""`anywhere_disk`: a disk that outlives the machine it is attached to."""

from __future__ import annotations

from pathlib import Path

from providers.local import kind, names
from providers.local.home import ClusterFolder, read_json, remove_empty, write_json
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import Attribute, InvalidAttribute, State


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
            "string", "In a virtual machine it is /dev/disk/by-id/virtio-SERIAL.", required=True, replace=True
        ),
        **kind.SCHEMA,
    }

    @classmethod
    def validate(cls, config: State) -> None:
        names.check_name(config["name"])
        kind.validate(config)
        names.check_least(config["size"], 1, "GiB", "size")
        serial = config["serial"]
        if is_known(serial) and not (0 < len(serial) <= 20 and serial.replace("-", "").isalnum()):
            raise InvalidAttribute(
                f"{serial!r} is not a valid serial.", "Use at most 20 letters, digits and dashes.", "serial"
            )

    def plan(self, prior: State | None, planned: State, config: State) -> State:
        if prior is not None and is_known(planned["size"]) and planned["size"] < prior["size"]:
            hint = "Disks only grow. To throw its data away, use `terraform apply -replace`."
            raise InvalidAttribute(f"Disk {planned['name']} has {prior['size']} GiB already.", hint, "size")
        return kind.plan(prior, planned, self.settings)

    def _path(self, state: State) -> Path:
        return self.settings.disks / str(state["name"])

    def create(self, planned: State, config: State) -> State:
        self._write(planned)
        kind.load(planned["kind"]).make_disk(self._path(planned), int(planned["size"]))
        return {**planned, "id": planned["name"]}

    def read(self, state: State) -> State | None:
        state = kind.read(state)
        if not kind.load(state["kind"]).has_disk(self._path(state)):
            detail = f"Nothing is left of it in {self.settings.disks}; apply makes an empty one."
            self.warnings.warn(f"Disk {state['name']} is gone.", detail)
            return None
        return state

    def update(self, prior: State, planned: State, config: State) -> State:
        self._write(planned)
        return planned

    def _write(self, planned: State) -> None:
        """Write down what it is to be: a larger size is taken when its machine next starts."""
        record = {"serial": planned["serial"], "size": planned["size"], "kind": planned["kind"]}
        write_json(self._path(planned).with_suffix(".json"), record)

    def delete(self, state: State) -> None:
        path = self._path(state)
        kind.load(kind.read(state)["kind"]).remove_disk(path)
        path.with_suffix(".json").unlink(missing_ok=True)
        remove_empty(self.settings.disks)


def ensure_size(cluster: ClusterFolder, disk: str) -> None:
    """Let a disk whose machine is off have the size that its resource asks for."""
    path = cluster.disks / disk
    if record := read_json(path.with_suffix(".json")):
        kind.load(record.get("kind", "vm")).grow_disk(path, int(record["size"]))
