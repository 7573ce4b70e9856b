"""`anywhere_machine`: a QEMU machine. Off is drift that apply mends in place; only a lost disk means a new machine."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
from dataclasses import replace
from pathlib import Path

from generator.command import run
from generator.errors import UserError
from generator.places import cache
from providers.local import disk, names, ports, process, qemu, seed
from providers.local.home import ClusterFolder, read_json, remove_empty, write_atomic, write_json
from providers.local.qemu import Record
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import UNKNOWN, Attribute, InvalidAttribute, State

RECORD = "machine.json"
ROOT = "disk.qcow2"
_RESTART = ("cpus", "memory", "disk", "network", "disks", "egress", "accel", "forwards")
ACCELERATORS = ("auto", "kvm", "tcg")
GRACE = 120  # s


def record_of(folder: Path) -> Record | None:
    """What is written of the machine in `folder`; None where there is none."""
    value = read_json(folder / RECORD)
    return Record.of(value) if value else None


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
    )


def _seed_files(cluster: ClusterFolder, planned: State) -> dict[str, str]:
    """The seed's files; the instance is new whenever what cloud-init reads is."""
    name, keys = planned["name"], planned["ssh_keys"] or []
    user_mac = qemu.mac(cluster, name, "outside")
    cluster_mac = qemu.mac(cluster, name, "cluster") if planned["network"] else None
    network = seed.network_config(user_mac, cluster_mac, planned["address"] or "")
    identity = json.dumps([cluster.name, name, planned["user_data"], keys, network])
    instance = f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    return {
        "meta-data": seed.meta_data(instance, name, keys),
        "network-config": network,
        "user-data": planned["user_data"],
    }


def _bring(source: Path, target: Path) -> None:
    """Have `source` as `target` too: the cache may lose it while the machine lives."""
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        target.symlink_to(source)


def _make_root(record: Record, folder: Path) -> None:
    """The machine's root disk, a layer over its base image, and the kernel where the base brings one."""
    base = cache() / "base" / f"{record.base_image}.qcow2"
    if not base.exists():
        raise UserError(f"There is no base image {base}.", "`anywhere apply` makes it.")
    if disk.size_of(base) > record.disk:
        message = f"Machine {record.name}: its disk of {record.disk} GiB is smaller than its base image."
        raise InvalidAttribute(message, f"Give it {disk.size_of(base)} GiB or more.", "disk")
    _bring(base, folder / "base.qcow2")
    for kind in ("vmlinuz", "initrd"):
        if base.with_suffix(f".{kind}").exists():
            _bring(base.with_suffix(f".{kind}"), folder / kind)
    options = ("-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2")
    run(["qemu-img", "create", *options, folder / ROOT, f"{record.disk}G"], f"Making the disk of {record.name}")


class Machine(Resource[ClusterFolder]):
    description = "A machine of this host under QEMU."
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
        "pid": Attribute("number", "Its QEMU process.", computed=True),
    }

    @classmethod
    def validate(cls, config: State) -> None:
        names.check_name(config["name"])
        names.check_name(config["role"], "role")
        names.check_least(config["cpus"], 1, "CPU", "cpus")
        names.check_least(config["memory"], 64, "MiB", "memory")
        names.check_least(config["disk"], 1, "GiB", "disk")
        if is_known(config["accel"]) and config["accel"] not in ACCELERATORS:
            raise InvalidAttribute(f"{config['accel']!r} is no accelerator.", "Use auto, kvm or tcg.", "accel")
        if is_known(config["forwards"]) and "ssh" in config["forwards"]:
            raise InvalidAttribute("The forward ssh is always there.", "Leave it out.", "forwards", "ssh")
        if is_known(config["address"]):
            try:
                ipaddress.IPv4Interface(config["address"])
            except ValueError as error:
                raise InvalidAttribute(f"No address: {error}.", "Write it like 10.20.1.1/16.", "address") from None
        if config["network"] is not None and config["address"] is None:
            raise InvalidAttribute("A machine on a network needs an address.", "Give it one.", "address")

    def _folder(self, name: str) -> Path:
        return self.settings.machines / name

    def plan(self, prior: State | None, planned: State, config: State) -> State:
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
        data = seed.image(files)
        wanted = _wanted(planned, hashlib.sha256(json.dumps(files).encode()).hexdigest())
        record = self._adopt(wanted, folder)
        if record is None:
            self._remove(folder)
            try:
                record = self._make(wanted, folder, data)
                if planned["running"]:
                    qemu.start(self.settings, record, folder)
            except BaseException:
                self._remove(folder)
                raise
        elif planned["running"] and not process.find(folder):
            qemu.start(self.settings, record, folder)
        return self._state(planned, record)

    def _adopt(self, wanted: Record, folder: Path) -> Record | None:
        """The machine that an interrupted apply made and Terraform did not hear of; None where there is none."""
        found = record_of(folder)
        if found is None or not found.made or not (folder / ROOT).exists():
            return None
        if replace(found, ports={}, made=False) != wanted:
            hint = f"Destroy the cluster that it belongs to, or, if nothing needs it, remove {folder}."
            raise UserError(f"A machine {wanted.name} that is not in this state exists already.", hint)
        return found

    def _make(self, wanted: Record, folder: Path, seed_image: bytes) -> Record:
        folder.mkdir(parents=True, mode=0o700)
        with ports.reserving():
            record = replace(wanted, ports=ports.choose(wanted.forwards, {}))
            write_json(folder / RECORD, record.to_json())
        write_atomic(folder / "seed.iso", seed_image)
        _make_root(record, folder)
        record = replace(record, made=True)
        write_json(folder / RECORD, record.to_json())
        return record

    def _state(self, planned: State, record: Record) -> State:
        folder = self._folder(record.name)
        pid = process.find(folder)
        return {
            **planned,
            "id": record.name,
            "running": pid is not None,
            "pid": pid,
            "ssh_port": record.ports["ssh"],
            "forward_ports": {name: port for name, port in record.ports.items() if name != "ssh"},
            "console": str(folder / qemu.CONSOLE),
        }

    def read(self, state: State) -> State | None:
        folder, name = self._folder(state["name"]), state["name"]
        record = record_of(folder)
        if record is None or not (folder / ROOT).exists():
            self.warnings.warn(f"Machine {name} has lost its disk.", f"{folder} is not whole; apply makes a new one.")
            return None
        found = self._state(state, record)
        found |= {"cpus": record.cpus, "memory": record.memory, "disk": record.disk}
        if state["running"] and not found["running"]:
            self.warnings.warn(f"Machine {name} is off.", "Its disk is there; apply starts it in place.")
        return found

    def update(self, prior: State, planned: State, config: State) -> State:
        folder = self._folder(planned["name"])
        record = record_of(folder)
        if record is None:
            raise UserError(f"Machine {planned['name']} has vanished.", "Apply again.")
        changed = any(planned[name] != prior[name] for name in _RESTART)
        if changed or not planned["running"]:
            qemu.power_off(folder, planned["grace"])
        if changed:
            record = self._change(record, planned, folder)
        if planned["running"] and not process.find(folder):
            for name in record.disks:
                disk.ensure_size(self.settings, name)
            qemu.start(self.settings, record, folder)
        return self._state(planned, record)

    def _change(self, record: Record, planned: State, folder: Path) -> Record:
        """Write down a machine's new shape while it is off. What it was made from stays as it was."""
        wanted = _wanted(planned, record.seed)
        with ports.reserving():
            chosen = ports.choose(wanted.forwards, record.ports)
            record = replace(wanted, base_image=record.base_image, ports=chosen, made=True)
            write_json(folder / RECORD, record.to_json())
        disk.resize(folder / ROOT, record.disk)
        return record

    def delete(self, state: State) -> None:
        folder = self._folder(state["name"])
        if record_of(folder):  # it may have a disk that outlives it, or a cluster to leave
            qemu.power_off(folder, state["grace"])
        self._remove(folder)
        remove_empty(self.settings.machines)

    def _remove(self, folder: Path) -> None:
        """Leave no process and no file of the machine in `folder`."""
        if not folder.exists():
            return
        process.kill(folder)
        shutil.rmtree(folder)
