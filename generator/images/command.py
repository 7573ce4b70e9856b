"""Running the tools that images are made with: their last words become the error."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from generator.errors import UserError

TAIL = 12  # lines of a failed command that its error shows


def find(name: str, package: str) -> str:
    """Where the program `name` is; UserError naming the Debian package that has it."""
    path = shutil.which(name)
    if path is None:
        raise UserError(f"{name} is not installed.", f"Install it: apt-get install {package}.")
    return path


def run(
    command: Sequence[str | Path],
    title: str,
    hint: str,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    seen: Callable[[str], None] = lambda _: None,
) -> None:
    """Run `command`, giving each line it says on standard error to `seen`.

    UserError where it fails: `title` and its last lines, and `hint`.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    arguments = [str(argument) for argument in command]
    with subprocess.Popen(
        arguments,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stderr or ():
                tail.append(line.rstrip())
                seen(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise UserError(f"{title} failed ({process.returncode}):\n" + "\n".join(tail), hint)


def output(command: Sequence[str | Path], title: str, hint: str) -> str:
    """What `command` says on standard output; UserError where it fails."""
    done = subprocess.run([str(a) for a in command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{title} failed ({done.returncode}):\n{done.stderr.strip()}", hint)
    return done.stdout
