"""What a base image is made of, whichever way it is made."""

from __future__ import annotations

import hashlib
from pathlib import Path

from generator.debian import SUITE

MODULES = Path(__file__).resolve().parents[2] / "modules"
FOLDER = MODULES / "local" / "base"
HOST = MODULES / "node" / "host"  # the settings of every node, whatever its target
NODE = MODULES / "node" / "packages"  # the packages of every node

SIZE = "8G"  # a machine's overlay may be larger: its file system grows at boot
EPOCH = "1735689600"  # 2025-01-01: no file of a build is younger
FILE_SYSTEM = "0a4c8d1e-5b7f-4c2a-9e36-616e79776865"
REVISION = 1  # raised when the builders change what the image holds


def packages() -> list[str]:
    lines = [line for path in (FOLDER / "packages", NODE) for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def digest(source: str) -> str:
    """A hash of everything that decides what the image holds, but for the versions in Debian's archive."""
    total = hashlib.sha256(f"{REVISION} {source} {SUITE} {SIZE} {EPOCH} {FILE_SYSTEM}".encode())
    files = [path for root in (FOLDER, HOST) for path in sorted(root.rglob("*")) if path.is_file()]
    for path in (*files, NODE):
        total.update(f"\0{path.relative_to(MODULES)}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()
