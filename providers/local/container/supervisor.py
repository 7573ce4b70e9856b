"""The process that is a machine: like QEMU's, it runs in the machine's folder, and the machine ends with it.

Its mounts and its network are namespaces of its own, so whatever ends it, no mount and no interface stays behind.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.command import find
from generator.errors import UserError
from providers.local import record as records
from providers.local.container import cgroup, filesystem, forward, linux, lock, network
from providers.local.home import ClusterFolder
from providers.local.record import Record

LOG = "supervisor.log"
REBOOT = 133  # how systemd-nspawn ends where the machine wants to boot again
_STARTED = "started"
_KEPT = ("PATH", "PYTHONPATH")  # of the environment, since Terraform's holds secrets
_PROPAGATED = Path("/run/systemd/nspawn")  # where systemd-nspawn leaves folders behind
# Kernel modules and the clock are this computer's.
_DROPPED = ("CAP_SYS_MODULE", "CAP_SYS_TIME", "CAP_WAKE_ALARM", "CAP_SYS_RAWIO", "CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE")
_CALLS = "add_key keyctl bpf"  # runc's keyrings, and its device filters of cgroup v2
_POWER_OFF = "SIGRTMIN+3"  # systemd's word for its halt.target


def start(cluster: ClusterFolder, folder: Path, images: Path) -> None:
    """Start the machine in `folder`, and return once it runs; UserError says why it does not.

    `images` is the folder of image archives that the machine may fetch.
    """
    answer, report = os.pipe()
    isolated = ["-I"] if sys.flags.isolated else []
    words = [sys.executable, *isolated, "-m", __name__, str(cluster.path), str(folder), str(images), str(report)]
    with (folder / LOG).open("wb") as log:
        subprocess.Popen(
            words,
            cwd=folder,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[report],
            start_new_session=True,
        )
    os.close(report)
    with os.fdopen(answer, errors="replace") as said:
        message, _, hint = said.read().partition("\0")
    if message != _STARTED:
        raise UserError(message or f"The supervisor ended early: {folder / LOG} says why.", hint)


def main() -> None:
    """Be the supervisor of a machine to its end, which is that of this process."""
    cluster, folder, images = map(Path, sys.argv[1:4])
    report = int(sys.argv[4])
    os.set_inheritable(report, False)
    status = 1
    try:
        with lock.held(folder):
            status = _Machine(ClusterFolder(cluster.name, cluster), folder, images).run(report)
    except UserError as error:
        _tell(report, error.message, error.hint)
    except OSError as error:
        _tell(report, f"{error.filename or 'The supervisor'}: {error.strerror}.")
    sys.exit(status)


def _tell(report: int, message: str, hint: str = "") -> None:
    """Say to whoever starts the machine why it does not run; once it runs, to the log."""
    try:
        os.write(report, f"{message}\0{hint}".encode())
    except OSError:
        sys.stderr.write(f"{message} {hint}\n")


@dataclass(frozen=True, slots=True)
class _Machine:
    cluster: ClusterFolder
    folder: Path
    images: Path

    def run(self, report: int) -> int:
        """From its start to its end; its exit status."""
        record = records.read(self.folder)
        if record is None:
            raise UserError(f"There is no machine in {self.folder}.", "Apply again to make it.")
        ports = {port: forward.listen("127.0.0.1", record.ports[name]) for name, port in record.forwards.items()}
        name = f"{network.namespace(self.cluster)}-{record.name}"
        limits = cgroup.Limits(record.cpus, record.memory)
        group = cgroup.make(name, limits, self.folder)
        tree = filesystem.Tree(self.folder)
        try:
            where, slirp = self._connect(record)
            tree.mount()
            disks = [self.cluster.disks / disk for disk in record.disks]
            binds = tree.binds(disks, network.OUTSIDE + (network.NAME_SERVER if record.egress else ""))
            line = command_line(record, name, tree, where, tuple(binds))
            machine = _boot(line, group)
            self._serve(record, ports)
            os.write(report, _STARTED.encode())
            os.close(report)
            while (status := machine.wait()) == REBOOT:
                # In cgroup v2 a group that the last boot has divided takes no process.
                machine = _boot(line, cgroup.make(name, limits, self.folder))
            if slirp:
                slirp.terminate()
            return status
        finally:
            group.remove()
            tree.unmount()

    def _connect(self, record: Record) -> tuple[Path, subprocess.Popen[bytes] | None]:
        """Make the machine's namespaces and interfaces."""
        host = os.open("/proc/self/ns/net", os.O_RDONLY)
        network.ensure_bridge(self.cluster)
        linux.own_mounts()
        _PROPAGATED.mkdir(parents=True, exist_ok=True)
        linux.mount("tmpfs", _PROPAGATED, "tmpfs")
        outside, inside = (records.mac(self.cluster, record.name, nic) for nic in ("outside", "cluster"))
        where = network.connect(self.cluster, record.name, network.Interfaces(outside, inside, record.address))
        return where, network.open_way_out(host) if record.egress else None

    def _serve(self, record: Record, ports: Mapping[int, socket.socket]) -> None:
        for port, listener in ports.items():
            forward.serve(listener, forward.into_machine(port))
        forward.serve_metadata(self.cluster.path, record.role, self.images)


def command_line(record: Record, machine: str, tree: filesystem.Tree, where: Path, binds: tuple[str, ...]) -> list[str]:
    """systemd-nspawn and its arguments. `machine` is a name that no other machine of this computer has, `where` the
    network namespace.
    """
    return [
        find("systemd-nspawn"),
        "--quiet",
        f"--directory={tree.root}",
        f"--machine={machine}",
        f"--hostname={record.name}",
        f"--network-namespace-path={where}",
        "--register=no",
        "--keep-unit",
        "--console=read-only",
        f"--kill-signal={_POWER_OFF}",
        "--capability=all",
        f"--drop-capability={','.join(_DROPPED)}",
        f"--system-call-filter={_CALLS}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        *binds,
        "/bin/sh",
        filesystem.INIT_INSIDE,
        "ds=nocloud",
    ]


def _environment() -> dict[str, str]:
    """Nothing of the environment that Terraform was given, which holds secrets."""
    # Docker and the network drivers set what belongs to the machine's network, and nothing else in /proc/sys.
    known = {"PATH": os.environ.get("PATH", os.defpath), "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    if cgroup.unified():
        return known
    # systemd refuses cgroup v1 unless it is told otherwise; nspawn gives the machine what it is told to.
    legacy = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"}
    return known | legacy


def _boot(line: list[str], group: cgroup.Cgroup) -> subprocess.Popen[bytes]:
    """Start systemd-nspawn as the first process of a namespace: when it ends, all that it started ends."""

    def become_machine() -> None:
        linux.die_with_parent()
        group.enter()
        linux.own_mounts()
        linux.mount("proc", Path("/proc"), "proc")

    with linux.children_in_new_pid_namespace(), Path(records.CONSOLE).open("ab") as console:
        machine = subprocess.Popen(
            line, env=_environment(), stdin=subprocess.DEVNULL, stdout=console, preexec_fn=become_machine
        )
    signal.signal(signal.SIGTERM, lambda *_: machine.terminate())
    return machine


if __name__ == "__main__":
    main()
