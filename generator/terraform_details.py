"""What a plan changes inside a resource, in words that fit on a line, from what `terraform show -json` says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST = 30  # characters of a value: longer ones are digests, documents and the like, which tell a person nothing
_MOST = 5  # attributes of one resource


def details(change: Mapping[str, Any]) -> tuple[str, ...]:
    """The attributes of one resource that change: `instance_type "t3.medium" -> "t3.large"`.

    `change` is the `change` of an entry in `resource_changes`. Secret values never appear. Attributes that the target
    sets, and long values, are left out, unless they are why the resource must be replaced: those are named.
    """
    if change["actions"] in (["create"], ["delete"]):
        return ()
    before, after = (_Side(change, side) for side in ("before", "after"))
    reasons = {_path(path) for path in change.get("replace_paths", ())}
    said = [line for name in before.names | after.names if (line := _line(name, before, after, reasons))]
    lines = sorted(said, key=lambda line: (_FORCES not in line, line))
    more = len(lines) - _MOST
    return (*lines[:_MOST], f"and {more} more") if more > 0 else tuple(lines)


_FORCES = "forces a new one"


class _Side:
    """A resource before or after the plan. `hidden` are the paths of its secrets."""

    def __init__(self, change: Mapping[str, Any], side: str) -> None:
        self.values = dict(_scalars(change[side]))
        self.hidden = {name for name, secret in _scalars(change.get(f"{side}_sensitive")) if secret}
        unknown = change.get("after_unknown") if side == "after" else None
        self.unknown = {name for name, later in _scalars(unknown) if later}
        self.names = self.values.keys() | self.unknown

    def said(self, name: str) -> str | None:
        """The value at a path, None where it cannot be shown."""
        if _within(name, self.hidden) or name in self.unknown:
            return None
        text = json.dumps(self.values.get(name), ensure_ascii=False)
        return text if len(text) <= _LONGEST else None


def _line(name: str, before: _Side, after: _Side, reasons: set[str]) -> str:
    """What becomes of one attribute, "" where nothing does that a person wants to know."""
    if name not in after.unknown and before.values.get(name) == after.values.get(name):
        return ""
    old, new = before.said(name), after.said(name)
    values = f" {old} -> {new}" if old is not None and new is not None else ""
    if _within(name, reasons):
        return f"{name}{values} {_FORCES}"
    return f"{name}{values}" if values else ""


def _scalars(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of all that is neither a list nor a mapping."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _scalars(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _scalars(inner, f"{path}[{number}]")
    else:
        yield path, value


def _path(steps: list[str | int]) -> str:
    """A path of `replace_paths` as `_scalars` writes it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _within(name: str, paths: set[str]) -> bool:
    """Whether a path is one of these, or inside one."""
    return any(path in ("", name) or name.startswith((f"{path}.", f"{path}[")) for path in paths)
