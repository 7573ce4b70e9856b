"""Compiling a Go program, saying how far it is: the large ones take minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator import command
from generator.images import toolchain
from generator.progress import Progress, counted

HINT = "Does GOPROXY name a Go module proxy that this machine reaches, and has the disk room for 8 GiB?"
# The packages that are not in Go's build cache, by import path.
_STALE = "{{if .Stale}}{{.ImportPath}}{{end}}"


@dataclass(frozen=True, slots=True)
class Program:
    """The Go package `package`, as the module in `folder` sees it, for `arch`; `title` names it to a person."""

    title: str
    folder: Path
    package: str
    arch: str
    stamps: Sequence[str] = ()  # NAME=VALUE: variables that linking sets

    def flags(self) -> list[str]:
        """What decides the bytes of the program."""
        linker = ["-s -w -buildid=", *(f"-X {stamp}" for stamp in self.stamps)]
        return ["-buildvcs=false", "-trimpath", "-ldflags", " ".join(linker)]


def compile_program(program: Program, output: Path, go: Path, progress: Progress) -> None:
    """Compile `program` to `output` with the command `go`; UserError with the compiler's words where that fails."""
    environment = toolchain.environment(go, program.arch)
    failing = f"Compiling {program.title}"

    def run(words: Sequence[str | Path], seen: Callable[[str], None]) -> str:
        return command.run([go, *words], failing, HINT, environment=environment, folder=program.folder, seen=seen)

    progress.note(f"compiling {program.title}")
    listed = run(["list", "-deps", "-f", _STALE, *program.flags(), program.package], progress.note)
    stale = set(listed.split())
    with counted(progress, f"compiling {program.title}", "packages", len(stale)) as count:

        def seen(line: str) -> None:
            if line in stale:
                count()
            else:
                progress.note(line)

        run(["build", "-v", *program.flags(), "-o", output, program.package], seen)
