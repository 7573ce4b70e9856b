"""QEMU for one machine: its command line, starting it and turning it off. Rootless, and no daemon minds it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.command import missing
from generator.directories import cache
from generator.errors import UserError
from providers.local import accelerator, disk, ethernet, metadata, network, ports, process, qmp
from providers.local.home import ClusterFolder, alone
from providers.local.record import CONSOLE, Record, mac
from providers.local.terraform.resource import STOP

PROGRAM = "qemu-system-x86_64"
METADATA_ADDRESS = "10.0.2.100:80"
_START_SECONDS = 60.0
# The root file system is the whole first disk; a machine that panics starts again rather than hangs.
_KERNEL_LINE = "root=/dev/vda rw console=ttyS0 ds=nocloud panic=5 quiet loglevel=3"


def _option(kind: str, **values: str | int) -> str:
    """`kind,key=value,...`; a comma inside a value is doubled, as QEMU wants it."""
    pairs = (f"{key.replace('_', '-')}={str(value).replace(',', ',,')}" for key, value in values.items())
    return ",".join((kind, *pairs))


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the guest: QEMU's -accel and -cpu, and words for the kernel's command line."""

    accel: str
    cpu: str
    kernel: str


_ENGINES = {
    "kvm": Engine("kvm", "host", ""),
    # In emulation five-level page tables and defences against speculation only cost time: nothing speculates.
    "tcg": Engine("tcg,thread=multi", "max,la57=off", " mitigations=off"),
}


def _engine(wish: str) -> Engine:
    """The engine for `auto`, `kvm` or `tcg`; auto takes KVM where a guest really runs under it."""
    return _ENGINES[accelerator.choose() if wish == "auto" else wish]


def _user_nic(cluster: ClusterFolder, record: Record) -> str:
    forwards = (f",hostfwd=tcp:127.0.0.1:{record.ports[name]}-:{guest}" for name, guest in record.forwards.items())
    command = shlex.join(metadata.command(sys.executable, cluster.path, record.role, cache() / "images"))
    restrict = "off" if record.egress else "on"
    served = f",guestfwd=tcp:{METADATA_ADDRESS}-cmd:{command.replace(',', ',,')}"
    return f"user,id=outside,ipv6=off,restrict={restrict}{''.join(forwards)}{served}"


def _nic(cluster: ClusterFolder, record: Record, name: str) -> str:
    return _option("virtio-net-pci", netdev=name, mac=mac(cluster, record.name, name), romfile="")


def _nics(cluster: ClusterFolder, record: Record, link: Link | None) -> Iterator[str]:
    yield from ("-netdev", _user_nic(cluster, record))
    yield from ("-device", _nic(cluster, record, "outside"))
    if link:
        yield from ("-netdev", link.netdev)
        yield from ("-device", _nic(cluster, record, "cluster"))


@dataclass(frozen=True, slots=True)
class Link:
    """How a machine is on the cluster's network: QEMU's -netdev, and the descriptors that it inherits for it."""

    netdev: str
    descriptors: tuple[int, ...] = ()


@contextmanager
def plugged(cluster: ClusterFolder, record: Record) -> Iterator[Link | None]:
    """The machine's link to the cluster's network, for the time of its start; None where it has none."""
    if record.network is None:
        yield None
        return
    group = network.socket_of(cluster, record.network)
    if group is None:
        raise UserError(f"Machine {record.name}: there is no network {record.network}.", "Apply again to make it.")
    with alone(cluster.networks):  # or two machines that start at once would make a network each
        running = process.running(cluster.machines)
        if not ethernet.serves(running):
            yield Link(_option("socket", id="cluster", mcast=group, localaddr="127.0.0.1"))
            return
        with ethernet.port(record.network, running) as port:
            yield Link(_option("tap", id="cluster", fd=port.frames), port.descriptors)


def _drive(file: str, name: str, serial: str) -> tuple[str, ...]:
    drive = _option("file=" + file.replace(",", ",,"), **{"if": "none"}, id=name, format="qcow2", discard="unmap")
    return ("-drive", drive, "-device", _option("virtio-blk-pci", drive=name, serial=serial))


def _drives(cluster: ClusterFolder, record: Record) -> Iterator[str]:
    yield from _drive("disk.qcow2", "root", "root")
    yield from ("-drive", _option("file=seed.iso", **{"if": "virtio"}, format="raw", readonly="on"))
    for name in record.disks:
        path = disk_file(cluster.disks / name)
        if not path.exists():
            raise UserError(f"Machine {record.name}: there is no disk {name}.", "Apply again to make it.")
        yield from _drive(str(path), f"disk-{name}", disk.serial_of(cluster, name))


def disk_file(path: Path) -> Path:
    """The image of the disk at `path`."""
    return path.with_name(f"{path.name}.qcow2")


def command_line(cluster: ClusterFolder, record: Record, folder: Path, link: Link | None) -> list[str]:
    """QEMU and its arguments; it must run in `folder`, to which the short names are relative."""
    engine = _engine(record.accel)
    line = [PROGRAM, "-name", f"{cluster.name}/{record.name}", "-nodefaults", "-no-user-config", "-display", "none"]
    line += [
        "-machine",
        "pc",
        "-accel",
        engine.accel,
        "-cpu",
        engine.cpu,
        "-smp",
        str(record.cpus),
        "-m",
        f"{record.memory}M",
    ]
    line += ["-pidfile", process.PIDFILE, "-qmp", f"unix:{qmp.SOCKET},server=on,wait=off"]
    line += ["-chardev", _option("file", id="console", path=CONSOLE, append="on"), "-serial", "chardev:console"]
    line += ["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"]
    line += [*_drives(cluster, record), *_nics(cluster, record, link)]
    if (folder / "vmlinuz").exists():
        line += ["-kernel", "vmlinuz", "-initrd", "initrd", "-append", _KERNEL_LINE + engine.kernel]
    return line


def _launch(line: list[str], folder: Path, descriptors: tuple[int, ...]) -> subprocess.Popen[bytes]:
    with (folder / "qemu.log").open("wb") as log:
        try:
            return subprocess.Popen(
                line,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath)},  # Terraform's holds the cluster's secrets
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=descriptors,
            )
        except FileNotFoundError:
            raise missing(PROGRAM) from None


def start(cluster: ClusterFolder, record: Record, folder: Path) -> int:
    """Power on; the pid, once QEMU has taken its command line and runs."""
    ports.check_free(record.name, record.ports)
    (folder / qmp.SOCKET).unlink(missing_ok=True)
    with plugged(cluster, record) as link:
        child = _launch(command_line(cluster, record, folder, link), folder, link.descriptors if link else ())
    end = time.monotonic() + _START_SECONDS
    while child.poll() is None:
        try:
            qmp.execute(folder, "query-status")
        except OSError:
            if time.monotonic() > end:
                child.kill()
                child.wait()
            time.sleep(0.02)
        else:
            return child.pid
    said = (folder / "qemu.log").read_text(errors="replace").strip() or "it does not say why"
    raise UserError(f"QEMU cannot start machine {record.name}: {said}", "`anywhere doctor` checks this host.")


def power_off(folder: Path, seconds: float) -> None:
    """Turn off as by the power button; after `seconds`, or when Terraform is told to stop, by force."""
    if not process.find(folder):
        return
    try:
        qmp.execute(folder, "system_powerdown")
    except (OSError, UserError):
        seconds = 0
    if not process.wait_gone(folder, seconds, STOP):
        process.kill(folder)
