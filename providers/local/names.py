"""Checks of attribute values that every local resource shares."""

from __future__ import annotations

import re
from typing import Any

from providers.local.terraform.resource import is_known
from providers.local.terraform.schema import InvalidAttribute

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_name(value: Any, attribute: str = "name") -> None:
    """Names become host names and folders: lower-case letters, digits and dashes, at most 63."""
    if is_known(value) and not _NAME.fullmatch(value):
        hint = "Use lower-case letters, digits and dashes, at most 63, beginning and ending with a letter or digit."
        raise InvalidAttribute(f"{value!r} is not a valid name.", hint, attribute)


def check_least(value: Any, least: int, unit: str, attribute: str) -> None:
    if is_known(value) and (value != int(value) or value < least):
        raise InvalidAttribute(
            f"{attribute} {value} is too small.", f"Give a whole number from {least} {unit}.", attribute
        )
