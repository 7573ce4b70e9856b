"""Terraform's state where it is a file of the rendered folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from generator.errors import UserError

FILE = "terraform.tfstate"  # of a cluster without a backend


def read(file: Path) -> dict[str, Any]:
    """A local state file; {} where there is none, and where it has no byte, which Terraform takes as well."""
    try:
        return _checked(json.loads(file.read_text() or "{}"))
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        raise UserError(
            f"{file.parent} is not a folder.", "Give the path of a folder, or of none yet, as --out."
        ) from None
    except OSError as error:
        raise UserError(f"The Terraform state {file} cannot be read: {error.strerror}.", _remedy(file)) from None
    except ValueError as error:
        raise UserError(f"The Terraform state {file} is damaged: {error}.", _remedy(file)) from None


def has_resources(folder: Path) -> bool:
    """Whether the folder has a local state in which something is made. Errors as of `read`."""
    return bool(read(folder / FILE).get("resources"))


def _remedy(file: Path) -> str:
    backup = file.with_name(f"{file.name}.backup")
    command = f"`cp {shlex.quote(str(backup))} {shlex.quote(str(file))}`"
    remedy = f"Restore the one before it: {command}" if backup.exists() else "Restore it from a backup"
    return f"{remedy}, then run the same command again."


def _checked(state: Any) -> dict[str, Any]:
    """A state without what is null; ValueError where it is none."""
    if not isinstance(state, dict):
        raise ValueError("it is not a mapping")
    kept = {key: value for key, value in state.items() if value is not None}
    if not isinstance(kept.get("outputs", {}), dict) or not isinstance(kept.get("resources", []), list):
        raise ValueError("its outputs or resources are of another kind")
    return kept
