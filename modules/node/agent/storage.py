"""The data disk: what etcd knows outlives its machine, where the target gives it a disk of its own."""

from __future__ import annotations

from pathlib import Path

from agent.host import run

DISKS = Path("/dev/disk/by-id")
FSTAB = Path("/etc/fstab")
FOLDER = Path("/var/lib/etcd")
# Docker starts etcd by itself at boot; without its disk it would begin an empty cluster.
ENTRY = f"LABEL=etcd {FOLDER} ext4 defaults,x-systemd.before=docker.service,x-systemd.required-by=docker.service 0 2\n"


def ensure() -> None:
    """Mount the disk called etcd, made a file system the first time; nothing happens where there is none."""
    found = sorted(DISKS.glob("*-etcd"))
    if not found or FOLDER.is_mount():
        return
    disk = str(found[0])
    # Only a disk with nothing at all on it is formatted.
    if not run("lsblk", "--noheadings", "--output", "FSTYPE", disk).strip():
        run("mkfs.ext4", "-q", "-L", "etcd", disk)
        run("udevadm", "settle")
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    if ENTRY not in FSTAB.read_text():
        with FSTAB.open("a") as fstab:
            fstab.write(ENTRY)
        run("systemctl", "daemon-reload")
    run("mount", str(FOLDER))
