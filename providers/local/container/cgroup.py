"""The control group of a machine: below the caller's own, with a limit, and with controllers that it may divide."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

from generator.errors import UserError

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
FILE = "cgroups"  # in a machine's folder: the folders of its control group
PERIOD = 100_000  # µs, of the processor's quota
_CPUSET = ("cpuset.mems", "cpuset.cpus")
_ASIDE = "supervisor"  # where processes go that stand in the way of handing controllers down
_GONE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory` in MiB."""

    cpus: int
    memory: int


def unified() -> bool:
    """Whether this computer has cgroup v2 alone."""
    return (ROOT / "cgroup.controllers").exists()


def own() -> dict[str, Path]:
    """The caller's control group in each hierarchy that is mounted, by its controllers ("" for cgroup v2)."""
    return {
        controllers: path
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        for _, controllers, inside in [line.split(":", 2)]
        if (path := _mounted(controllers) / inside.lstrip("/")).is_dir()
    }


def _mounted(controllers: str) -> Path:
    """Where a hierarchy is mounted; a path that is absent where it is not."""
    if controllers:
        return ROOT / controllers.removeprefix("name=")
    return ROOT if unified() else ROOT / "unified"


def make(name: str, limits: Limits, folder: Path) -> Cgroup:
    """The control group `name` below the caller's own in each hierarchy, empty and limited; `folder` keeps which it is.

    UserError where this computer's layout has no room for it.
    """
    recorded(folder).remove()
    made = Cgroup(tuple(_parent(controllers, path) / name for controllers, path in own().items()))
    made.remove()
    (folder / FILE).write_text("".join(f"{path}\n" for path in made.paths))
    for path in made.paths:
        try:
            path.mkdir(parents=True)
            _limit(path, limits)
        except OSError as error:
            raise _unfit(path, error) from None
    return made


def recorded(folder: Path) -> Cgroup:
    """The control group of the machine in `folder`, which a supervisor that was killed left behind."""
    try:
        return Cgroup(tuple(map(Path, (folder / FILE).read_text().splitlines())))
    except FileNotFoundError:
        return Cgroup(())


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A control group, which has a folder in each hierarchy of this computer."""

    paths: tuple[Path, ...]

    def enter(self) -> None:
        """Move this process into it."""
        for path in self.paths:
            (path / "cgroup.procs").write_text("0")

    def memory(self) -> int:
        """Bytes in use, but for what the kernel caches of files and would give back at once."""
        for path in self.paths:
            for usage, inactive in (
                ("memory.current", "inactive_file"),
                ("memory.usage_in_bytes", "total_inactive_file"),
            ):
                if (path / usage).exists():
                    stat = dict(line.split() for line in (path / "memory.stat").read_text().splitlines())
                    return int((path / usage).read_text()) - int(stat[inactive])
        return 0

    def remove(self) -> None:
        """Remove it with all that was made below it; what still runs there is killed. Idempotent."""
        for path in self.paths:
            end = time.monotonic() + _GONE_SECONDS
            while path.exists() and not _remove_tree(path) and time.monotonic() < end:
                _kill(path)
                time.sleep(0.02)


def _unfit(path: Path, error: OSError) -> UserError:
    return UserError(
        f"Control group {path} cannot be made: {error.strerror}.",
        "Run anywhere where control groups can be divided, such as in a systemd session, or use machines: vm.",
    )


def _parent(controllers: str, path: Path) -> Path:
    """The caller's group, ready to have a group with controllers below it."""
    if controllers or not unified():
        return path
    parent = path.parent if path.name == _ASIDE else path
    try:
        try:
            _delegate(parent)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            _step_aside(parent)
            _delegate(parent)
    except OSError as error:
        raise _unfit(parent, error) from None
    return parent


def _step_aside(group: Path) -> None:
    """Move the processes of a group into one below it: in cgroup v2 only a group without any hands controllers down."""
    (aside := group / _ASIDE).mkdir(exist_ok=True)
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (aside / "cgroup.procs").write_text(pid)


def _delegate(parent: Path) -> None:
    """Let groups below `parent` have its controllers."""
    there = (parent / "cgroup.controllers").read_text().split()
    wanted = " ".join(f"+{name}" for name in CONTROLLERS if name in there)
    (parent / "cgroup.subtree_control").write_text(wanted)


def _limit(path: Path, limits: Limits) -> None:
    """Give a new group its share, whichever version's files it has."""
    memory, quota = limits.memory << 20, limits.cpus * PERIOD
    given = {
        "memory.max": f"{memory}",
        "cpu.max": f"{quota} {PERIOD}",
        "memory.limit_in_bytes": f"{memory}",
        "cpu.cfs_quota_us": f"{quota}",
    }
    if not unified():  # version 2 inherits these by itself
        given |= {name: (path.parent / name).read_text() for name in _CPUSET if (path / name).exists()}
    for name, value in given.items():
        if (path / name).exists():
            (path / name).write_text(value)


def _remove_tree(path: Path) -> bool:
    """Remove a group and those below it, deepest first; False where one of them is in use."""
    try:
        for folder, _, _ in os.walk(path, topdown=False):
            Path(folder).rmdir()
    except FileNotFoundError:
        return not path.exists()
    except OSError:
        return False
    return True


def _kill(path: Path) -> None:
    for procs in path.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            for pid in procs.read_text().split():
                os.kill(int(pid), 9)
