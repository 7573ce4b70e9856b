"""`anywhere validate`: are the definitions right?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, Json, MaybeProvider
from generator.errors import ROOT, InvalidFile, UserError

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="The cluster definitions.", show_default=True)]


def run(
    files: Files = [DEFAULT_FILE],  # noqa: B006 (typer copies it)
    provider: MaybeProvider = None,
    as_json: Json = False,
) -> int:
    """Check definitions, offline; every problem at once."""
    checked = [(file, _check(file, provider)) for file in files]
    errors = [found for _, found in checked if isinstance(found, UserError)]
    if as_json:
        wrong = [(file, found) for file, found in checked if isinstance(found, UserError)]
        problems = [problem for file, error in wrong for problem in _listed(file, error)]
        pasteable.say(pasteable.document({"problems": problems}))
        return 1 if errors else 0
    for file, found in checked:
        if isinstance(found, str):
            pasteable.say(f"{file}: cluster {found} is valid.")
    if errors:
        raise _together(errors)
    return 0


def _check(file: Path, provider: str | None) -> str | UserError:
    """The name of the cluster that `file` defines, or what is wrong with it."""
    import providers
    from generator import schema

    try:
        definition = schema.load(file)
        if provider:
            providers.load(provider).backend(definition)  # which is in its section: it must be there
    except UserError as error:
        return error
    return definition.name


def _together(errors: Sequence[UserError]) -> UserError:
    """One error that says all that these say."""
    if len(errors) == 1:
        return errors[0]
    files = " and ".join(error.file for error in errors if isinstance(error, InvalidFile))
    hints = [error.hint for error in errors if not isinstance(error, InvalidFile)]
    hints += [f"Fix {files} and run the same command again."] if files else []
    return UserError("\n".join(dict.fromkeys(e.message for e in errors)), " ".join(dict.fromkeys(hints)))


def _listed(file: Path, error: UserError) -> list[dict[str, object]]:
    """What is wrong with a file, each problem by itself; `line` is null where it has none, as when there is no file."""
    from dataclasses import asdict

    if isinstance(error, InvalidFile):
        return [{"file": error.file, **asdict(problem)} for problem in error.problems]
    return [{"file": str(file), "path": ROOT, "line": None, "message": error.message, "hint": error.hint}]
