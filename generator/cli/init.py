"""`anywhere init`: a definition to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, File

Name = Annotated[str | None, typer.Option("--name", help="The cluster's name; the folder's if left out.")]

TEMPLATE = """\
apiVersion: anywhere/v1
kind: Cluster
metadata:
  name: {name}
spec:
  etcd: {{count: 0}}                                     # on the master; 3 gives etcd machines of its own
  masters: {{count: 1, size: medium, schedulable: true}} # ordinary pods run there too
  workers: {{count: 1, size: small}}
providers:
  local: {{}}
"""


def run(file: File = DEFAULT_FILE, name: Name = None) -> int:
    """Write a small definition to begin with."""
    from generator.errors import UserError

    chosen = _checked(name) if name else _name(file.absolute().parent)
    try:
        opened = file.open("x")
    except FileExistsError:
        raise UserError(f"{file} already exists.", "Give another path, or edit that file.") from None
    except FileNotFoundError:
        raise UserError(f"The folder {file.parent} does not exist.", "Create it, or give another path.") from None
    try:
        with opened:
            opened.write(TEMPLATE.format(name=chosen))
    except OSError:
        file.unlink()  # so that the same command can be run again
        raise
    pasteable.say(f"Wrote {file}. Next: `anywhere apply`")
    return 0


def _checked(name: str) -> str:
    """`name`, where definitions take it; UserError where they do not."""
    from pydantic import TypeAdapter, ValidationError

    from generator.errors import UserError
    from generator.schema.fields import ClusterName

    try:
        return str(TypeAdapter(ClusterName).validate_python(name))
    except ValidationError as error:
        detail = error.errors()[0]
        hint = str(detail.get("ctx", {}).get("hint", ""))
        raise UserError(f"--name: {detail['msg']}.", hint[:1].upper() + hint[1:]) from None


def _name(folder: Path) -> str:
    """A folder's name as a cluster's: lower-case letters, digits and dashes, beginning with a letter."""
    import re

    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).lstrip("-0123456789")[:20].rstrip("-") or "cluster"
