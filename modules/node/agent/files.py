"""Files that survive a power cut: whole as they were, or whole as they are to be."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace `path`, and return once it is on the disk; it has `mode` from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        os.fchmod(descriptor, mode)  # whatever the umask
        file.flush()
        os.fsync(descriptor)
    _rename(temporary, path)


def put(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Like `write`, but only where the content differs; whether it did."""
    raw = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == raw:
        return False
    write(path, raw, mode)
    return True


def overwrite(path: Path, text: str) -> None:
    """Change `path` in place, for containers that have it mounted: they would keep a file that was replaced."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def link(path: Path, target: Path | str) -> None:
    """Have `path` be a symbolic link to `target`."""
    if path.is_symlink() and path.readlink() == Path(target):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    _rename(temporary, path)


def publish(unfinished: Path, path: Path) -> None:
    """Rename a file or folder that something else wrote, after all of its content is on the disk."""
    os.sync()  # it may be a folder of many files
    _rename(unfinished, path)


def _temporary(path: Path) -> Path:
    """A name in the same folder that no reader of folders such as sysctl.d takes for its own."""
    return path.with_name(f".{path.name}.new")


def _rename(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
