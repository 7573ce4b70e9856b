"""`python setup/kubernetes.py VERSION...`: adds the checked sources of Kubernetes versions, such as v1.37.2.

Each gets a go.mod, `modules/hyperkube/VERSION.mod`; they share one go.sum, since most of their modules are the same.
The Go module proxy gives the sources, and the checksum database verifies them.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from generator import command, directories
from generator.cli.phases import show
from generator.errors import UserError
from generator.files import write_atomic
from generator.images import compiler, recipe, toolchain
from generator.progress import Progress

HYPERKUBE = recipe.MODULES / recipe.HYPERKUBE_MODULE
MODULE = "k8s.io/kubernetes"
IMPORTED = ("k8s.io/component-base", "k8s.io/kubectl")  # what main.go uses beside it
GO = re.compile(r"^go \S+$", re.MULTILINE)
STAGED = re.compile(r"^\t(k8s\.io/\S+) => \./staging/", re.MULTILINE)  # published as modules of their own


def add(version: str, progress: Progress) -> None:
    """Write the go.mod of a version, and add to the go.sum; UserError where the proxy lacks a module of it."""
    with progress.phase(f"sources of Kubernetes {version}"), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _complete(version, folder, progress)
        _add_sums((folder / "go.sum").read_text().splitlines())
        write_atomic(HYPERKUBE / f"{version}.mod", (folder / "go.mod").read_bytes())


def requirements(version: str, upstream: str) -> str:
    """The go.mod to begin with; `upstream` is that of Kubernetes, which has the staged modules in its own folders."""
    staged = version.replace("v1.", "v0.", 1)
    go = GO.search(upstream)
    required = (*(f"{name} {staged}" for name in IMPORTED), f"{MODULE} {version}")
    replaced = (f"{name} => {name} {staged}" for name in STAGED.findall(upstream))
    parts = (
        "module anywhere.local/hyperkube",
        go.group() if go else "",
        "require (\n" + "\n".join(required) + "\n)",
        "replace (\n" + "\n".join(replaced) + "\n)",
    )
    return "\n\n".join(parts) + "\n"


def _complete(version: str, folder: Path, progress: Progress) -> None:
    """Have Go complete go.mod and go.sum in `folder`."""
    go = toolchain.go(directories.cache(), progress)
    run = partial(
        command.run,
        title=f"Reading the sources of Kubernetes {version}",
        hint=compiler.HINT,
        environment={**toolchain.environment(go, toolchain.host()), "GOFLAGS": "-mod=mod"},
        folder=folder,
        seen=progress.note,
    )
    described = json.loads(run([go, "mod", "download", "-json", f"{MODULE}@{version}"]))
    shutil.copyfile(HYPERKUBE / "main.go", folder / "main.go")
    (folder / "go.mod").write_text(requirements(version, Path(described["GoMod"]).read_text()))
    run([go, "mod", "tidy"])


def _add_sums(lines: Iterable[str]) -> None:
    path = HYPERKUBE / "go.sum"
    known = path.read_text().splitlines() if path.exists() else ()
    write_atomic(path, "".join(f"{line}\n" for line in sorted({*known, *lines})).encode())


def main() -> int:
    progress = show()
    try:
        for version in sys.argv[1:]:
            add(version, progress)
    except UserError as error:
        sys.stderr.write(f"setup: {error.message}\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
