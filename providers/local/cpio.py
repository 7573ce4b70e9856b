"""The archive format of a Linux initrd (cpio, newc). The kernel unpacks several that follow each other."""

from __future__ import annotations

from collections.abc import Mapping


def archive(files: Mapping[str, bytes]) -> bytes:
    """Executable files of root in the top folder, by name."""
    entries = [_entry(number, name, 0o100755, data) for number, (name, data) in enumerate(sorted(files.items()), 1)]
    return b"".join([*entries, _entry(0, "TRAILER!!!", 0, b"")])


def _entry(inode: int, name: str, mode: int, data: bytes) -> bytes:
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    return _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + path) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
