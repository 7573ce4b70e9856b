"""The smallest machine that can be a container: a shell as init, which ends when it is told to power off."""

import shutil
import subprocess
from pathlib import Path

POWER_OFF = 37  # SIGRTMIN+3
INIT = f"""\
#!/bin/sh
trap 'exit 0' {POWER_OFF}
echo up
while :; do sleep 1000 & wait; done
"""
LAYER_KIB = 4096  # what each machine has to copy
PROGRAMS = ("sh", "sleep", "mount", "ln", "cat", "touch")


def make_image(image: Path) -> None:
    """Write an ext4 file system with it."""
    tree = image.with_suffix(".tree")
    for folder in ("bin", "sbin", "etc", "usr/lib", "proc", "sys", "dev", "run", "tmp", "var/lib", "root"):
        (tree / folder).mkdir(parents=True)
    for name in PROGRAMS:
        _copy_program(Path(shutil.which(name) or ""), tree)
    (tree / "var/lib/docker").mkdir()
    (tree / "var/lib/docker/layer").write_bytes(bytes(range(256)) * LAYER_KIB * 4)
    (tree / "etc/os-release").write_text("ID=test\n")
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image, "32M"], check=True)
    shutil.rmtree(tree)


def _copy_program(program: Path, tree: Path) -> None:
    """A program and the libraries that it is linked with."""
    shutil.copy(program, tree / "bin" / program.name)
    shown = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for word in shown.split():
        if word.startswith("/"):
            target = tree / word.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, target)
