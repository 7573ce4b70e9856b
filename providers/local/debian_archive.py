"""The base image from the Debian archive, by mmdebstrap: no root needed, no guest booted."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from generator import debian
from generator.command import find, run
from generator.progress import Progress
from providers.local import recipe
from providers.local.guest import Bootable

UNWANTED = ("doc", "info", "man", "locale", "i18n")  # folders of /usr/share


def check() -> None:
    """UserError naming what this user lacks for `build`."""
    debian.check()
    _fakeroot()


def build(work: Path, progress: Progress) -> Bootable:
    """Make the image in the folder `work`."""
    check()  # before mmdebstrap takes its minutes
    made = Bootable(work / "base.qcow2", work / "vmlinuz", work / "initrd")
    tree, raw = work / "tree.tar", work / "base.raw"

    def seen(line: str) -> None:
        if line.startswith("I: "):
            progress.note(line.removeprefix("I: "))

    debian.bootstrap(bootstrap(tree, made), "Making a Debian root file system", debian.HINT, recipe.EPOCH, seen)
    progress.note("writing the ext4 file system")
    write_file_system(tree, raw)
    tree.unlink()
    run(
        [find("qemu-img"), "convert", "-f", "raw", "-O", "qcow2", raw, made.disk],
        "Writing the qcow2 image",
    )
    raw.unlink()
    return made


def bootstrap(tree: Path, made: Bootable) -> list[str]:
    """The command that writes the root file system as a tar, and its kernel and initrd beside it."""
    return [
        *debian.mmdebstrap(),
        "--variant=minbase",
        '--aptopt=Apt::Install-Recommends "false"',
        "--dpkgopt=force-confold",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED),
        f"--include={','.join(recipe.packages())}",
        # The initrd is ours: initramfs-tools, which the kernel package wants, need not spend its time.
        '--essential-hook=mkdir -p "$1/etc/initramfs-tools"',
        '--essential-hook=echo update_initramfs=no >"$1/etc/initramfs-tools/update-initramfs.conf"',
        # copy-in reads as this user what the hooks, whose root is a stranger without root here, perhaps may not.
        '--customize-hook=mkdir "$1/provision"',
        f"--customize-hook=copy-in {shlex.quote(str(recipe.FOLDER))} {shlex.quote(str(recipe.HOST))} /provision",
        '--customize-hook=chroot "$1" sh /provision/base/customise.sh',
        '--customize-hook=rm -r "$1/provision"',
        f"--customize-hook=download /boot/vmlinuz {shlex.quote(str(made.kernel))}",
        f"--customize-hook=download /boot/initrd {shlex.quote(str(made.initrd))}",
        debian.SUITE,
        str(tree),
        *debian.sources(),
    ]


def write_file_system(tree: Path, raw: Path) -> None:
    """Make an ext4 file system of what a tar holds, with its owners, without mounting anything."""
    options = f"hash_seed={recipe.FILE_SYSTEM},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0"
    script = f"""
        set -eu
        root=$(mktemp -d {shlex.quote(str(tree.parent))}/root.XXXXXX)
        tar --extract --numeric-owner --preserve-permissions --file {shlex.quote(str(tree))} --directory "$root"
        : >"$root/etc/machine-id"
        ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
        rm -f "$root/etc/hostname"
        touch -h -d @{recipe.EPOCH} "$root/etc" "$root/etc/machine-id" "$root/etc/resolv.conf"
        {find("mke2fs")} -q -t ext4 -m 1 -L anywhere -U {recipe.FILE_SYSTEM} -E {options} \\
            -d "$root" {shlex.quote(str(raw))} {recipe.SIZE}
        rm -rf "$root"
    """
    # mke2fs before 1.47.1 knows only the second name of the time, and keeps the hour of the build in what it copies.
    run(
        [*_fakeroot(), "sh", "-c", script],
        "Writing the ext4 file system",
        environment={**os.environ, "SOURCE_DATE_EPOCH": recipe.EPOCH, "E2FSPROGS_FAKE_TIME": recipe.EPOCH},
    )


def _fakeroot() -> list[str]:
    """What remembers the owners of files where this user is not root."""
    return [] if os.geteuid() == 0 else [find("fakeroot")]
