"""Debian's archive: the suite that everything here is made of, where it comes from, and root file systems of it."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from generator import command
from generator.errors import UserError

SUITE = "trixie"
Suite = tuple[str, str]  # the folder of a mirror, and the suite in it
SECURITY: Suite = ("debian-security", f"{SUITE}-security")
SUITES: tuple[Suite, ...] = (("debian", SUITE), ("debian", f"{SUITE}-updates"), SECURITY)
HINT = "Is the Debian archive reachable? ANYWHERE_DEBIAN_MIRROR names another one."
_MIRROR = "http://deb.debian.org"
_SCRATCH = "anywhere-root-"  # prefix of the folders that root file systems are made in
# Runs a command and ends all that it started: at SIGTERM, which mmdebstrap does not pass on, and once it has ended.
_GROUP = """
end() { trap "" TERM; kill -TERM 0; }
trap end TERM
"$@" &
wait $!
status=$?
while kill -0 $! 2>/dev/null; do
    wait $!
    status=$?
done
end
exit $status
"""
# What mmdebstrap needs besides where the user is not root: programs, and user ids beside one's own.
_UNSHARE = ("newuidmap", "newgidmap")
_SUBORDINATE = (Path("/etc/subuid"), Path("/etc/subgid"))


def sources(options: str = "", suites: Sequence[Suite] = SUITES) -> list[str]:
    """The lines of a sources.list for the suite, its updates and its security; `options` such as `[signed-by=...] `."""
    mirror = os.environ.get("ANYWHERE_DEBIAN_MIRROR", _MIRROR).rstrip("/")
    return [f"deb {options}{mirror}/{folder} {suite} main" for folder, suite in suites]


def mmdebstrap() -> list[str]:
    """mmdebstrap as this user may run it; its other options follow."""
    return [command.find("mmdebstrap"), f"--mode={'root' if os.geteuid() == 0 else 'unshare'}"]


def check() -> None:
    """UserError naming the package, or the range of user ids, that this user lacks for making a root file system."""
    command.find("mmdebstrap")
    if os.geteuid() != 0:
        for program in _UNSHARE:
            command.find(program)
        for path in _SUBORDINATE:
            _check_range(path)


def _check_range(path: Path) -> None:
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # as of a container that runs as whatever number it was told
        user = str(os.geteuid())
    ranges = path.read_text().splitlines() if path.exists() else []
    if not any(line.startswith((f"{user}:", f"{os.geteuid()}:")) for line in ranges):
        raise UserError(
            f"{user} has no range in {path}. Making a root file system without root needs one.",
            f"Run as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
        )


def bootstrap(
    words: Sequence[str | Path], title: str, hint: str, epoch: str, seen: Callable[[str], None] = lambda line: None
) -> None:
    """Run an mmdebstrap command line so that nothing of it stays behind, however it or this process ends.

    `epoch` is the date of the build, in seconds since 1970; `seen` gets its messages. UserError as of `command.run`.
    """
    check()
    with _scratch() as folder:
        command.run(
            words,
            title,
            hint,
            environment={**os.environ, "SOURCE_DATE_EPOCH": epoch, "TMPDIR": str(folder)},
            within=_contained(folder),
            seen=seen,
        )


def _contained(folder: Path) -> list[str]:
    """What runs mmdebstrap so that nothing of it outlasts it.

    It has a process group, all of which ends with it, and it holds the lock of `folder` while any of it is at work. As
    root it mounts /proc, /sys and /dev in the tree, where a killed run would leave them: a namespace takes them along.
    A root that may not mount (in a container) needs none, since mmdebstrap then mounts nothing; without root it makes
    one by itself.
    """
    group = [command.find("setsid"), "sh", "-c", _GROUP, "sh"]
    lock = [command.find("flock"), "--shared", "--no-fork", str(folder)]
    namespace = [command.find("unshare"), "--mount"]
    may_mount = os.geteuid() == 0 and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0
    return [*group, *lock, *(namespace if may_mount else [])]


@contextmanager
def _scratch() -> Iterator[Path]:
    """A temporary folder for mmdebstrap; those that a killed run of this user left are removed first."""
    for stale in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        _remove_abandoned(stale)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        folder.chmod(0o755)  # without root here, mmdebstrap comes back to it as another user
        yield folder
    finally:
        _remove(folder)
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove `folder` where it is this user's and no process holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return  # removed meanwhile, or another user's
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder)
    except BlockingIOError:
        pass  # another run is at work in it
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove what mmdebstrap left in `folder`, which without root here belongs to its subordinate users."""
    trees = [str(tree) for tree in folder.iterdir()]
    if trees and os.geteuid() != 0:
        subprocess.run([command.find("mmdebstrap"), "--unshare-helper", "rm", "-rf", *trees], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
