"""A virtual machine of a cloud: its one card on the segment, NVMe disks, and firmware that says whose it is."""

import base64
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from providers.local import accelerator, qmp
from providers.local.guest import CPU, Bootable
from tests.vpc.segment import Segment

MEMORY = "2560"  # MiB


@dataclass(frozen=True)
class Kind:
    """What a cloud's machines are: the packages it adds to Debian, and how the firmware describes them (SMBIOS type 1).

    `tmpfiles` and `rules` are what only a test adds: systemd takes lines of tmpfiles.d and udev's rules from the
    firmware too.
    """

    agents: tuple[str, ...]
    firmware: Mapping[str, str]
    tmpfiles: str
    rules: str = ""


@dataclass(frozen=True)
class Disk:
    """A qcow2 file, and the device of QEMU that shows it."""

    path: Path
    device: str


class Machine:
    """Runs from its making until `close`; `name` is what its cluster calls it."""

    def __init__(
        self,
        segment: Segment,
        name: str,
        folder: Path,
        address: IPv4Address,
        kind: Kind,
        stock: Bootable,
        disks: list[Disk],
    ) -> None:
        self.name, self.address, self._folder = name, address, folder
        device = segment.plug(address)
        line = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"]
        accel = accelerator.choose()
        line += ["-accel", accel, "-cpu", CPU[accel], "-smp", "2", "-m", MEMORY]
        line += ["-kernel", str(stock.kernel), "-initrd", str(stock.initrd)]
        line += ["-append", "root=LABEL=anywhere rw console=ttyS0"]
        line += ["-chardev", f"file,id=console,path={folder / 'console'}", "-serial", "chardev:console"]
        line += ["-qmp", f"unix:{folder / qmp.SOCKET},server=on,wait=off"]
        line += ["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"]
        line += ["-netdev", f"tap,id=nic,ifname={device},script=no,downscript=no"]
        line += ["-device", f"virtio-net-pci,netdev=nic,mac={segment.mac(address)},romfile="]
        line += ["-device", "virtio-scsi-pci"]
        for number, disk in enumerate(disks):
            line += ["-drive", f"file={disk.path},if=none,id=disk{number},format=qcow2,cache=unsafe,discard=unmap"]
            line += ["-device", f"{disk.device},drive=disk{number}"]
        line += ["-smbios", "type=1," + ",".join(f"{name}={value}" for name, value in kind.firmware.items())]
        for name, text in {"tmpfiles.extra": kind.tmpfiles, "udev.rules.test": kind.rules}.items():
            credential = folder / name
            credential.write_text(f"io.systemd.credential.binary:{name}={base64.b64encode(text.encode()).decode()}")
            line += ["-smbios", f"type=11,path={credential}"]
        self._process = segment.start(*line, log=folder / "qemu.log")

    @property
    def console(self) -> str:
        path = self._folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def press_power_button(self) -> None:
        """Have it turn itself off."""
        qmp.execute(self._folder, "system_powerdown")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def overlay(backing: Path, path: Path, size: str) -> Path:
    """A disk that begins as `backing`."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(path), size]
    subprocess.run(command, check=True)
    return path


def kept(path: Path, size: str) -> Path:
    """A disk that is blank unless an earlier machine had it."""
    if not path.exists():
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), size], check=True)
    return path
