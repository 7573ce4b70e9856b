"""Terraform's command lines, written by python-terraform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import python_terraform


class _Writer(python_terraform.Terraform):  # type: ignore[misc]  # python-terraform has no types
    """python-terraform without its look at a state.

    It reads `terraform.tfstate` of its folder as soon as it is made: a damaged one would stop commands that need no
    state, and the folder's own reader (`generator.terraform.read_state`) says better what is wrong with it.
    """

    def read_state_file(self, file_path: str | None = None) -> None:
        """Read nothing."""


def command_line(program: Path, words: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """The command and its arguments: `options` by name, with `_` for `-`; True is a bare flag, None leaves one out."""
    flags = {name: python_terraform.IsFlagged if value is True else value for name, value in options.items()}
    writer = _Writer(terraform_bin_path=str(program))
    return [str(word) for word in writer.generate_cmd_string(words[0], *words[1:], **flags)]
