"""A stock Debian 13, as a cloud would start it: no package of a node's, no setting of ours. Built once, then cached."""

import hashlib
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from generator import debian, directories
from generator.command import find, run
from providers.local import recipe
from providers.local.debian_archive import write_file_system
from providers.local.guest import Bootable

PACKAGES, NETPLAN = (Path(__file__).parent / name for name in ("packages", "90-default.yaml"))
REVISION = 3  # raised when what follows makes another image of the same packages


def stock(*agents: str) -> Bootable:
    """The image with the packages of what a cloud has in it beside (cloud-init, or an agent of its own)."""
    names = [line for line in PACKAGES.read_text().splitlines() if not line.startswith("#")] + list(agents)
    key = hashlib.sha256(f"{REVISION} {debian.SUITE} {names}".encode()).hexdigest()
    folder = directories.cache() / "stock" / key
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            whole = Path(work) / "image"
            whole.mkdir()
            _build(_files(whole), Path(work), names)
            whole.rename(folder)
    return _files(folder)


def _files(folder: Path) -> Bootable:
    return Bootable(folder / "disk.qcow2", folder / "vmlinuz", folder / "initrd")


def _build(made: Bootable, work: Path, names: list[str]) -> None:
    tree, raw = work / "tree.tar", work / "raw"
    command = [
        find("mmdebstrap"),
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        '--aptopt=Apt::Install-Recommends "false"',
        f"--include={','.join(names)}",
        '--customize-hook=chroot "$1" sh -c "mv /boot/vmlinuz-* /boot/vmlinuz; mv /boot/initrd.img-* /boot/initrd"',
        f"--customize-hook=download /boot/vmlinuz {shlex.quote(str(made.kernel))}",
        f"--customize-hook=download /boot/initrd {shlex.quote(str(made.initrd))}",
        f"--customize-hook=copy-in {shlex.quote(str(NETPLAN))} /etc/netplan",
        '--customize-hook=chmod 600 "$1"/etc/netplan/*',
        '--customize-hook=chroot "$1" systemctl enable systemd-networkd systemd-resolved',
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        debian.SUITE,
        str(tree),
        *debian.sources(),
    ]
    run(command, "Making a stock Debian", debian.HINT, environment={**os.environ, "SOURCE_DATE_EPOCH": recipe.EPOCH})
    write_file_system(tree, raw)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, made.disk], check=True)
