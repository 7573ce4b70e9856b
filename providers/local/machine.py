"""`anywhere_machine`: a machine of this computer. One that is off is drift, and apply starts it in place; only one
that lost its file system is made anew.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from generator.errors import UserError
from providers.local import disk, kind, names, ports, process, seed
from providers.local import record as records
from providers.local.home import ClusterFolder, remove_empty
from providers.local.kind import Kind
from providers.local.record import Record
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import UNKNOWN, Attribute, InvalidAttribute, State

_RESTART = ("cpus", "memory", "disk", "network", "disks", "egress", "accel", "forwards")
ACCELERATORS = ("auto", "kvm", "tcg")
GRACE = 120  # s


def _power_on(own: Kind, cluster: ClusterFolder, record: Record, folder: Path) -> None:
    """Start a machine that is off; its console tells what it said before from what it will say."""
    with suppress(PermissionError), (folder / records.CONSOLE).open("a") as console:  # that may be root's
        console.write(f"{records.POWER_ON}\n")
    own.start(cluster, record, folder)


def _wanted(planned: State, seed_digest: str) -> Record:
    """The record that `planned` asks for, but for its ports."""
    return Record(
        name=planned["name"],
        role=planned["role"],
        cpus=int(planned["cpus"]),
        memory=int(planned["memory"]),
        disk=int(planned["disk"]),
        base_image=planned["base_image"],
        network=planned["network"],
        address=planned["address"] or "",
        disks=tuple(planned["disks"] or ()),
        egress=planned["egress"],
        accel=planned["accel"],
        forwards={"ssh": 22, **{name: int(port) for name, port in (planned["forwards"] or {}).items()}},
        ports={},
        seed=seed_digest,
        kind=planned["kind"],
    )


def _seed_files(cluster: ClusterFolder, planned: State) -> dict[str, str]:
    """The seed's files; the instance is new whenever what cloud-init reads is."""
    name, keys = planned["name"], planned["ssh_keys"] or []
    address = planned["address"] or "" if planned["network"] else None
    network = kind.load(planned["kind"]).network_config(cluster, name, address)
    identity = json.dumps([cluster.name, name, planned["user_data"], keys, network])
    instance = f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return {
        "meta-data": seed.meta_data(instance, name, keys),
        "network-config": network,
        "user-data": planned["user_data"],
    }


class Machine(Resource[ClusterFolder]):
    description = "A machine of this computer: virtual, under QEMU, or a system container, under systemd-nspawn."
    schema = {
        "id": Attribute("string", "The machine's name.", computed=True),
        "name": Attribute("string", "Its host name.", required=True, replace=True),
        "role": Attribute("string", "Which documents it may fetch.", required=True, replace=True),
        "cpus": Attribute("number", "Virtual processors. A change restarts it.", required=True),
        "memory": Attribute("number", "MiB. A change restarts it.", required=True),
        "disk": Attribute("number", "GiB of its root disk; it can only grow.", required=True),
        "base_image": Attribute("string", "SHA-256 of the image its root disk starts as.", required=True, replace=True),
        "user_data": Attribute("string", "What cloud-init is told; no secrets.", required=True, replace=True),
        "network": Attribute("string", "The id of its anywhere_network.", optional=True),
        "address": Attribute("string", "Its address there, such as 10.20.1.1/16.", optional=True, replace=True),
        "disks": Attribute(["list", "string"], "The ids of its anywhere_disks.", optional=True),
        "ssh_keys": Attribute(["list", "string"], "Public keys that may log in.", optional=True, replace=True),
        "egress": Attribute("bool", "Whether it reaches outside.", optional=True, computed=True, default=True),
        "accel": Attribute("string", "auto, kvm or tcg.", optional=True, computed=True, default="auto"),
        "forwards": Attribute(["map", "number"], "Ports of it to lead to, by name; ssh is always.", optional=True),
        "running": Attribute("bool", "Whether it is on.", optional=True, computed=True, default=True),
        "grace": Attribute("number", "Seconds it may take to power off.", optional=True, computed=True, default=GRACE),
        "ssh_port": Attribute("number", "The port on 127.0.0.1 that leads to its ssh.", computed=True),
        "forward_ports": Attribute(["map", "number"], "The ports on 127.0.0.1, by name.", computed=True),
        "console": Attribute("string", "The file with its serial console's output.", computed=True),
        "pid": Attribute("number", "The process that it is.", computed=True),
        **kind.SCHEMA,
    }

    @classmethod
    def validate(cls, config: State) -> None:
        names.check_name(config["name"])
        names.check_name(config["role"], "role")
        kind.validate(config)
        names.check_least(config["cpus"], 1, "CPU", "cpus")
        names.check_least(config["memory"], 64, "MiB", "memory")
        names.check_least(config["disk"], 1, "GiB", "disk")
        if is_known(config["accel"]) and config["accel"] not in ACCELERATORS:
            raise InvalidAttribute(f"{config['accel']!r} is not an accelerator.", "Use auto, kvm or tcg.", "accel")
        if is_known(config["forwards"]) and "ssh" in config["forwards"]:
            raise InvalidAttribute("The forward ssh is always there.", "Leave it out.", "forwards", "ssh")
        if is_known(config["address"]):
            try:
                ipaddress.IPv4Interface(config["address"])
            except ValueError as error:
                raise InvalidAttribute(f"Not an address: {error}.", "Write it like 10.20.1.1/16.", "address") from None
        if config["network"] is not None and config["address"] is None:
            raise InvalidAttribute("A machine on a network needs an address.", "Give it one.", "address")

    def _folder(self, name: str) -> Path:
        return self.settings.machines / name

    def plan(self, prior: State | None, planned: State, config: State) -> State:
        planned = kind.plan(prior, planned, self.settings)
        if prior is None:
            return planned
        if is_known(planned["disk"]) and planned["disk"] < prior["disk"]:
            hint = "Disks only grow. For a new machine use `terraform apply -replace`."
            raise InvalidAttribute(f"Machine {planned['name']} has {prior['disk']} GiB already.", hint, "disk")
        planned = dict(planned)
        if any(planned[name] != prior[name] for name in (*_RESTART, "running")):
            planned["pid"] = UNKNOWN
        if planned["forwards"] != prior["forwards"]:
            planned["forward_ports"] = UNKNOWN
        return planned

    def create(self, planned: State, config: State) -> State:
        folder, files = self._folder(planned["name"]), _seed_files(self.settings, planned)
        wanted = _wanted(planned, hashlib.sha256(json.dumps(files).encode()).hexdigest())
        own = kind.load(wanted.kind)
        record = self._adopt(wanted, own, folder)
        if record is None:
            self._remove(folder)
            try:
                record = self._make(wanted, own, folder, files)
                if planned["running"]:
                    _power_on(own, self.settings, record, folder)
            except BaseException:
                self._remove(folder)
                raise
        elif planned["running"] and not own.pid(folder):
            _power_on(own, self.settings, record, folder)
        return self._state(planned, record)

    def _adopt(self, wanted: Record, own: Kind, folder: Path) -> Record | None:
        """The machine that an interrupted apply made and Terraform did not hear of; None where there is none."""
        there = records.read(folder)
        if there is None or not there.made or not own.whole(folder):
            return None
        if replace(there, ports={}, made=False) != wanted:
            hint = f"Destroy the cluster that it belongs to, or, if nothing needs it, remove {folder}."
            raise UserError(f"Machine {wanted.name} already exists, but not in this Terraform state.", hint)
        return there

    def _make(self, wanted: Record, own: Kind, folder: Path, files: Mapping[str, str]) -> Record:
        folder.mkdir(parents=True, mode=0o700)
        with ports.reserving():
            record = replace(wanted, ports=ports.choose(wanted.forwards, {}))
            records.write(folder, record)
        own.make(record, folder, files)
        record = replace(record, made=True)
        records.write(folder, record)
        return record

    def _state(self, planned: State, record: Record) -> State:
        folder = self._folder(record.name)
        pid = kind.load(record.kind).pid(folder)
        return {
            **planned,
            "id": record.name,
            "running": pid is not None,
            "pid": pid,
            "ssh_port": record.ports["ssh"],
            "forward_ports": {name: port for name, port in record.ports.items() if name != "ssh"},
            "console": str(folder / records.CONSOLE),
        }

    def read(self, state: State) -> State | None:
        folder, name = self._folder(state["name"]), state["name"]
        record = records.read(folder)
        if record is None or not kind.load(record.kind).whole(folder):
            self.warnings.warn(f"Machine {name} has lost its disk.", f"{folder} is not whole; apply makes a new one.")
            return None
        seen = self._state(kind.read(state), record)
        seen |= {"cpus": record.cpus, "memory": record.memory, "disk": record.disk}
        if state["running"] and not seen["running"]:
            self.warnings.warn(f"Machine {name} is off.", "Its disk is there; apply starts it in place.")
        return seen

    def update(self, prior: State, planned: State, config: State) -> State:
        folder = self._folder(planned["name"])
        record = records.read(folder)
        if record is None:
            raise UserError(f"Machine {planned['name']} has vanished.", "Apply again.")
        own = kind.load(record.kind)
        changed = any(planned[name] != prior[name] for name in _RESTART)
        if changed or not planned["running"]:
            own.power_off(folder, planned["grace"])
        if changed:
            record = self._change(record, own, planned, folder)
        if planned["running"] and not own.pid(folder):
            for name in record.disks:
                disk.ensure_size(self.settings, name)
            _power_on(own, self.settings, record, folder)
        return self._state(planned, record)

    def _change(self, record: Record, own: Kind, planned: State, folder: Path) -> Record:
        """Write down a machine's new shape while it is off. What it was made from stays as it was."""
        wanted = _wanted(planned, record.seed)
        with ports.reserving():
            chosen = ports.choose(wanted.forwards, record.ports)
            record = replace(wanted, base_image=record.base_image, ports=chosen, made=True)
            records.write(folder, record)
        own.grow(record, folder)
        return record

    def delete(self, state: State) -> None:
        folder = self._folder(state["name"])
        if record := records.read(folder):  # it may have a disk that outlives it, or a cluster to leave
            kind.load(record.kind).power_off(folder, state["grace"])
        self._remove(folder)
        remove_empty(self.settings.machines)

    def _remove(self, folder: Path) -> None:
        """Leave no process and no file of the machine in `folder`, of whichever kind it is."""
        process.kill(folder)  # before the folder goes, by which QEMU is found
        # The container first: root has files in its folder, which nobody else can remove.
        for name in ("container", "vm"):
            kind.load(name).remove(folder)
