"""`python setup/opentofu.py VERSION FILE`: builds OpenTofu from source, with the Go that also builds the images.

The Go module proxy gives the sources, and the checksum database verifies them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from generator import command, directories
from generator.cli.phases import show
from generator.errors import UserError
from generator.images import compiler, toolchain
from generator.progress import Progress

MODULE = "github.com/opentofu/opentofu"


def build(version: str, output: Path, progress: Progress) -> None:
    """Build OpenTofu `version` to `output`; UserError where the sources cannot be fetched or do not compile."""
    go = toolchain.go(directories.cache(), progress)
    arch = toolchain.host()
    with tempfile.TemporaryDirectory() as empty:
        progress.note(f"fetching the sources of OpenTofu {version}")
        fetched = command.run(
            [go, "mod", "download", "-json", f"{MODULE}@v{version}"],
            "Fetching the sources of OpenTofu",
            compiler.HINT,
            environment=toolchain.environment(go, arch),
            folder=Path(empty),
            seen=progress.note,
        )
    # Built in its own folder, since `go install` refuses a module with replacements.
    folder = Path(json.loads(fetched)["Dir"])
    program = compiler.Program("OpenTofu", folder, "./cmd/tofu", arch, [f"{MODULE}/version.dev=no"])
    compiler.compile_program(program, output, go, progress)


def main() -> int:
    version, output = sys.argv[1:]
    try:
        build(version, Path(output), show())
    except UserError as error:
        sys.stderr.write(f"setup: {error.message}\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
