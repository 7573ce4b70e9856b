"""Other programs of this computer: found wherever they are installed, followed line by line."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from generator.errors import UserError

TAIL = 12  # lines of a failed program that its error shows
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # not on every user's PATH
# The Debian package of a program, where it has another name.
_PACKAGES = {
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "gcloud": "google-cloud-cli",  # from Google's archive
    **dict.fromkeys(("newuidmap", "newgidmap"), "uidmap"),
    **dict.fromkeys(("flock", "setpriv", "setsid", "unshare"), "util-linux"),
    **dict.fromkeys(("debugfs", "e2fsck", "mke2fs", "resize2fs"), "e2fsprogs"),
}


def missing(program: str) -> UserError:
    """What to say where `program` is not there."""
    return UserError(f"{program} is not installed.", f"Install it: apt-get install {_PACKAGES.get(program, program)}.")


def find(program: str) -> str:
    """The path of `program`; UserError naming its Debian package where it is not there."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if path is None:
        raise missing(program)
    return path


def run(
    command: Sequence[str | Path],
    title: str,
    hint: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    within: Sequence[str] = (),
    seen: Callable[[str], None] = lambda line: None,
) -> str:
    """Run `command` to its end, without input; what it wrote to standard output.

    It is told to end (SIGTERM) where this process ends first, even by SIGKILL. `within` is the command that runs it,
    such as `unshare --mount`. `seen` gets each line of its standard error as it comes. UserError where it fails:
    `title`, its last lines, `hint`.
    """
    errors: deque[str] = deque(maxlen=TAIL)
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        with _start([*within, *command], output.fileno(), environment, folder) as process:
            try:
                for line in process.stderr or ():
                    errors.append(line.rstrip())
                    seen(line.rstrip())
            except BaseException:
                process.terminate()
                process.wait()  # it may clean up behind itself
                raise
        output.seek(0)
        text = output.read()
    if process.returncode:
        last = [*text.splitlines()[-TAIL:], *errors][-TAIL:]
        said = "".join(f"\n  {line}" for line in last)
        raise UserError(f"{title} failed ({Path(command[0]).name}, exit {process.returncode}):{said}", hint)
    return text


def _start(
    command: Sequence[str | Path], output: int, environment: Mapping[str, str] | None, folder: Path | None
) -> subprocess.Popen[str]:
    program = shutil.which(command[0], path=(environment or os.environ).get("PATH", os.defpath))
    if program is None:
        raise missing(str(command[0]))
    return subprocess.Popen(
        [find("setpriv"), "--pdeathsig", "TERM", program, *(str(word) for word in command[1:])],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
