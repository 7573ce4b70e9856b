"""A guest that does one thing and powers itself off: no network of its own, nothing left behind."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generator.command import find
from generator.errors import UserError

QEMU = "qemu-system-x86_64"
CPU = {"kvm": "host", "tcg": "max,la57=off"}  # five-level page tables only cost time in emulation
LAST_LINES = 15


class GuestFailed(UserError):
    """The guest did not come to its end: `console` is all that it wrote."""

    def __init__(self, message: str, console: str, hint: str = "") -> None:
        self.console = console
        last = "\n".join(line for line in console.splitlines() if line.strip()).splitlines()[-LAST_LINES:]
        super().__init__("\n".join([message, *(f"  {line}" for line in last)]), hint)


@dataclass(frozen=True, slots=True)
class Bootable:
    """A disk image with one ext4 file system, and the kernel and initrd that boot it."""

    disk: Path
    kernel: Path
    initrd: Path


@dataclass(frozen=True, slots=True)
class Drive:
    """A disk of the guest; it shows `serial` under /sys/block/vdX/serial. Drives are vda, vdb, ... in order."""

    path: Path
    format: str
    serial: str
    readonly: bool = False

    def arguments(self, number: int) -> list[str]:
        path = str(self.path).replace(",", ",,")  # QEMU's way to write a comma within an option
        options = f"file={path},format={self.format},if=none,id=disk{number}"
        options += ",readonly=on" if self.readonly else ",cache=unsafe,discard=unmap"
        return ["-drive", options, "-device", f"virtio-blk-pci,drive=disk{number},serial={self.serial}"]


@dataclass(frozen=True, slots=True)
class Guest:
    """A kernel, its initrd and command line, and what they run on. `memory` is in MiB."""

    kernel: Path
    initrd: Path
    append: str
    accelerator: str
    drives: tuple[Drive, ...] = ()
    memory: int = 512
    cpus: int = 1
    egress: bool = False

    def command(self) -> list[str]:
        command = [find(QEMU), "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]
        command += ["-accel", self.accelerator, "-cpu", CPU[self.accelerator]]
        command += ["-m", str(self.memory), "-smp", str(self.cpus), "-device", "virtio-rng-pci"]
        command += ["-kernel", str(self.kernel), "-initrd", str(self.initrd), "-append", self.append]
        if self.egress:
            command += ["-netdev", "user,id=egress", "-device", "virtio-net-pci,netdev=egress"]
        for number, drive in enumerate(self.drives):
            command += drive.arguments(number)
        return command


def run(guest: Guest, *, seconds: float, hint: str = "", seen: Callable[[str], None] = lambda line: None) -> str:
    """Run until the guest powers off; its console. GuestFailed past `seconds` or where QEMU itself fails.

    `seen` is called with each line of the console as it comes.
    """
    process = subprocess.Popen(
        guest.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        console = _follow(process, time.monotonic() + seconds, seen)
        code = process.poll()
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
    if code is None:
        raise GuestFailed(f"A guest did not finish within {seconds:.0f} s. Its console ends:", console, hint)
    if code:
        raise GuestFailed(f"{QEMU} failed (exit {code}):", console, hint)
    return console


def _follow(process: subprocess.Popen[bytes], deadline: float, seen: Callable[[str], None]) -> str:
    """Read the console to its end, or to the deadline."""
    assert process.stdout is not None
    text, told = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if not selector.select(left):
                break
            chunk = process.stdout.read1(65536)  # type: ignore[attr-defined]
            if not chunk:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(deadline - time.monotonic(), 0.1))
                break
            text += chunk
            while (end := text.find(b"\n", told)) >= 0:
                seen(text[told:end].decode(errors="replace").strip())
                told = end + 1
    return text.decode(errors="replace")
