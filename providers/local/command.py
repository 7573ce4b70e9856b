"""Run a program of this host and turn its failure into an error that says what to do."""

from __future__ import annotations

import subprocess

from generator.errors import UserError

_PACKAGES = {"qemu-img": "qemu-utils", "qemu-system-x86_64": "qemu-system-x86"}


def run(program: str, *arguments: str) -> str:
    """Run to the end, with no input; what it wrote to stdout."""
    try:
        done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        raise missing(program) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise UserError(
            f"{program} {' '.join(arguments)}: {said}", "See what it says; `anywhere doctor` checks the host."
        )
    return done.stdout.decode(errors="replace")


def missing(program: str) -> UserError:
    package = _PACKAGES.get(program, program)
    return UserError(f"{program} is not installed.", f"Install it: apt-get install {package}")
