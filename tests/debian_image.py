"""A Debian that boots in QEMU, with the packages and settings of a test's choice. Built once, then cached."""

import hashlib
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from generator import debian, directories
from providers.local import recipe
from providers.local.debian_archive import write_file_system
from providers.local.guest import Bootable

REVISION = 5  # raised when what follows makes another image of the same packages and hooks


def listed(path: Path) -> list[str]:
    """The packages of a file with one on each line."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def cached(packages: Sequence[str], hooks: Sequence[str]) -> Bootable:
    """The image with `packages`, after `hooks` of mmdebstrap."""
    key = hashlib.sha256(f"{REVISION} {debian.SUITE} {packages} {hooks}".encode()).hexdigest()
    folder = directories.cache() / "stock" / key
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            whole = Path(work) / "image"
            whole.mkdir()
            _build(_files(whole), Path(work), packages, hooks)
            whole.rename(folder)
    return _files(folder)


def _files(folder: Path) -> Bootable:
    return Bootable(folder / "disk.qcow2", folder / "vmlinuz", folder / "initrd")


def _build(made: Bootable, work: Path, packages: Sequence[str], hooks: Sequence[str]) -> None:
    tree, raw = work / "tree.tar", work / "raw"
    command = [
        *debian.mmdebstrap(),
        "--variant=minbase",
        '--aptopt=Apt::Install-Recommends "false"',
        f"--include={','.join(packages)}",
        '--customize-hook=chroot "$1" sh -c "mv /boot/vmlinuz-* /boot/vmlinuz; mv /boot/initrd.img-* /boot/initrd"',
        f"--customize-hook=download /boot/vmlinuz {shlex.quote(str(made.kernel))}",
        f"--customize-hook=download /boot/initrd {shlex.quote(str(made.initrd))}",
        *(f"--customize-hook={hook}" for hook in hooks),
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd systemd-resolved',
        debian.SUITE,
        str(tree),
        *debian.sources(),
    ]
    debian.bootstrap(command, "Making a Debian for a test", debian.HINT, recipe.EPOCH)
    write_file_system(tree, raw)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, made.disk], check=True)
