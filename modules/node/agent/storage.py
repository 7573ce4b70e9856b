"""The data disk: what etcd knows outlives its machine, so it is on a disk of its own."""

from __future__ import annotations

from pathlib import Path

from agent.files import write
from agent.host import NodeError, run, wait

DISKS = Path("/dev/disk/by-id")
LABELLED = Path("/dev/disk/by-label/etcd")
FSTAB = Path("/etc/fstab")
FOLDER = Path("/var/lib/etcd")
SECONDS = 300  # a target may attach the disk after the machine has booted
# How targets name the disk. AWS gives volumes no name of ours, but there is only one beside that of the root.
NAMED = ("*-etcd", "*_PersistentDisk_etcd")
VOLUMES = "nvme-Amazon_Elastic_Block_Store_vol*"
BLANK = 1 << 20  # bytes at the beginning of a disk that must all be zero before it is formatted
# Docker starts etcd at boot; without its disk it would start an empty cluster.
ENTRY = f"LABEL=etcd {FOLDER} ext4 defaults,x-systemd.before=docker.service,x-systemd.required-by=docker.service 0 2\n"


def ensure() -> None:
    """Mount the data disk, and format a blank one. NodeError if no disk appears, or none can be used."""
    if FOLDER.is_mount():
        return
    wait("etcd's data disk", lambda: bool(_candidates()), SECONDS)
    _format_blank(_only(_candidates()))
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    if ENTRY not in (mounts := FSTAB.read_text()):
        write(FSTAB, mounts + ENTRY)  # which systemd reads at the next boot
    run("mount", str(FOLDER))


def _candidates() -> list[Path]:
    """The disks that may be etcd's: the one with its label, or with its name, or the volumes beside the root's."""
    if LABELLED.exists():
        return [LABELLED.resolve()]
    named = {link.resolve() for pattern in NAMED for link in DISKS.glob(pattern)}
    if named:
        return sorted(named)
    volumes = {link.resolve() for link in DISKS.glob(VOLUMES) if "-part" not in link.name}
    return sorted(volumes - _ancestors()) if volumes else []


def _only(disks: list[Path]) -> Path:
    if len(disks) > 1:
        raise NodeError(f"more than one disk may be etcd's, and none is labelled etcd: {', '.join(map(str, disks))}")
    return disks[0]


def _ancestors() -> set[Path]:
    """The root file system's device and the disks below it."""
    root = run("findmnt", "--noheadings", "--output", "SOURCE", "/").strip()
    return {
        Path(line.strip())
        for line in run(
            "lsblk", "--noheadings", "--inverse", "--paths", "--list", "--output", "NAME", root
        ).splitlines()
    }


def _format_blank(disk: Path) -> None:
    """Make etcd's file system on a blank disk; refuse a disk that holds anything but etcd's own data."""
    content = " ".join(run("wipefs", "--no-act", "--noheadings", "--output", "TYPE,LABEL", str(disk)).split())
    if content == "ext4 etcd":
        return
    with disk.open("rb") as file:
        if content or file.read(BLANK).strip(b"\0"):
            raise NodeError(f"etcd's data disk {disk} already holds other data ({content or 'of an unknown kind'})")
    run("mkfs.ext4", "-q", "-L", "etcd", str(disk))
    run("udevadm", "settle")
