"""What runs local machines: KVM where a Linux guest really runs under it, else QEMU's emulation (TCG).

On some nested hosts /dev/kvm opens and a guest then hangs, so a real guest kernel is the only honest question.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.errors import UserError
from generator.files import write_atomic
from providers.local import cache, guest

DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
VARIABLE = "ANYWHERE_ACCEL"
MARK = "anywhere: probe ok"  # written by the initrd's init: the guest has reached user space
SECONDS = 10.0  # a guest that works needs one


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accelerator` is `kvm` or `tcg`, as in QEMU's -accel; `wished` where the user names it."""

    accelerator: str
    reason: str
    wished: bool = False


def choose() -> str:
    """`kvm` or `tcg`. The first call after a boot of this computer may take SECONDS."""
    return judge().accelerator


def judge() -> Verdict:
    """The user's wish, else what is known of this boot of this computer, else a probe."""
    wish = os.environ.get(VARIABLE)
    if wish in ("kvm", "tcg"):
        return Verdict(wish, f"{VARIABLE}={wish} is set", wished=True)
    if wish not in (None, "", "auto"):
        raise UserError(f"{VARIABLE} is {wish!r}.", "Set it to kvm, tcg or auto.")
    if not DEVICE.exists():
        return Verdict("tcg", f"{DEVICE} is absent: no hardware virtualisation")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return Verdict("tcg", f"{DEVICE} may not be opened by this user: see who may with ls -l {DEVICE}")
    probe = _probe_guest()
    if probe is None:
        return Verdict("tcg", f"{DEVICE} is there, but not tried yet: that needs the base image's kernel")
    memo = cache.folder() / "accelerator.json"
    circumstances = _circumstances()
    known = _remembered(memo, circumstances)
    if known is None:
        known = _probe(probe)
        write_atomic(memo, json.dumps({"circumstances": circumstances, **asdict(known)}).encode())
    return known


def _probe_guest() -> guest.Guest | None:
    """The smallest guest that tells: the kernel and initrd of any machine image, without a disk."""
    for kernel in sorted(cache.folder().glob("*.vmlinuz")):
        initrd = kernel.with_suffix(".initrd")
        if initrd.is_file():
            return guest.Guest(kernel, initrd, "console=ttyS0 panic=-1 anywhere.probe", "kvm", memory=256)
    return None


def _probe(probe: guest.Guest) -> Verdict:
    try:
        console = guest.run(probe, seconds=SECONDS)
    except guest.GuestFailed as error:
        return Verdict("tcg", f"{DEVICE} opens, but a Linux guest does not run under it ({_gist(error)})")
    if MARK not in console:
        return Verdict("tcg", f"{DEVICE} opens, but a Linux guest under it does not reach user space")
    return Verdict("kvm", f"a Linux guest runs under {DEVICE}")


def _gist(error: guest.GuestFailed) -> str:
    """The last line of the guest's console, or what is known without one."""
    lines = [line.strip() for line in error.console.splitlines() if line.strip()]
    return f"last: {lines[-1][:80]}" if lines else f"no word in {SECONDS:.0f} s"


def _circumstances() -> list[str]:
    """What a verdict holds for: this boot of this kernel, this QEMU."""
    qemu = shutil.which(guest.QEMU)
    binary = Path(qemu).stat() if qemu else None
    boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    return [platform.release(), boot, f"{qemu} {binary.st_size} {binary.st_mtime_ns}" if binary else ""]


def _remembered(memo: Path, circumstances: list[str]) -> Verdict | None:
    try:
        known = json.loads(memo.read_text())
        return Verdict(known["accelerator"], known["reason"]) if known["circumstances"] == circumstances else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
