"""`anywhere validate`: are the definitions right?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, Json, MaybeProvider
from generator.errors import InvalidFile, UserError

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="The cluster definitions.", show_default=True)]


def run(
    files: Files = [DEFAULT_FILE],  # noqa: B006 (typer copies it)
    provider: MaybeProvider = None,
    as_json: Json = False,
) -> int:
    """Check definitions, offline; every problem at once."""
    checked = [(file, _check(file, provider)) for file in files]
    errors = [found for _, found in checked if isinstance(found, UserError)]
    invalid = [error for error in errors if isinstance(error, InvalidFile)]
    if as_json and invalid == errors:
        pasteable.say(_report(invalid))
        return 1 if invalid else 0
    if not as_json:
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


def _report(errors: Sequence[InvalidFile]) -> str:
    from dataclasses import asdict

    return pasteable.document({"problems": [{"file": e.file, **asdict(p)} for e in errors for p in e.problems]})
