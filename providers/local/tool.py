"""Tools that work for minutes: found wherever they are installed, followed line by line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from generator.errors import UserError

LAST_LINES = 12


def find(name: str, package: str) -> str:
    """The path of a tool, looked for in the administrator's folders too; UserError where it is absent."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise UserError(f"{name} is not installed.", f"Install it: apt install {package}")
    return path


def run(
    command: Sequence[str | Path],
    what: str,
    hint: str = "",
    *,
    seen: Callable[[str], None] = lambda line: None,
    **environment: str,
) -> str:
    """Run a tool and return its output; UserError with its last lines where it fails.

    `seen` is called with each line as it comes; `environment` is added to this process's own.
    """
    lines = []
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                seen(line.rstrip())
        except BaseException:
            process.terminate()  # Ctrl-C: it may clean up behind itself
            raise
    if process.returncode:
        last = "".join(f"\n  {line.rstrip()}" for line in lines[-LAST_LINES:])
        raise UserError(f"{what} failed ({Path(command[0]).name}, exit {process.returncode}):{last}", hint)
    return "".join(lines)
