"""Values and schemas as Terraform sees them: attributes, unknowns, diagnostics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from generator.errors import UserError
from providers.local.terraform.wire import MESSAGES

State = dict[str, Any]
"""A resource's attributes by name; UNKNOWN where the value comes only with apply."""


class Unknown:
    """A value that only apply can tell."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Unknown()
_UNKNOWN_CODE = 0  # Terraform may also send 12, an unknown with refinements; it is read as a plain one


def decode(value: Any) -> Any:
    """A DynamicValue as plain Python; None for a null object."""
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False)
    return json.loads(value.json) if value.json else None


def encode(value: Any) -> Any:
    """Plain Python as a DynamicValue."""

    def unknown(item: Any) -> Any:
        if item is UNKNOWN:
            return msgpack.ExtType(_UNKNOWN_CODE, b"\0")
        raise TypeError(f"{type(item).__name__} has no place in a Terraform value")

    return MESSAGES["DynamicValue"](msgpack=msgpack.packb(value, default=unknown))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `type` is a cty type as JSON (`"string"`, `["map", "number"]`).

    `replace`: a change of it needs a new object. `default` stands where the configuration gives nothing.
    """

    type: Any
    description: str
    required: bool = False
    optional: bool = False
    computed: bool = False
    sensitive: bool = False
    write_only: bool = False
    replace: bool = False
    default: Any = None


Schema = Mapping[str, Attribute]


def schema_message(schema: Schema, version: int = 0, description: str = "") -> Any:
    """The schema as a protocol message."""
    block = MESSAGES["Block"](version=version, description=description)
    for name, attribute in sorted(schema.items()):
        block.attributes.add(
            name=name,
            type=json.dumps(attribute.type).encode(),
            description=attribute.description,
            required=attribute.required,
            optional=attribute.optional,
            computed=attribute.computed,
            sensitive=attribute.sensitive,
            write_only=attribute.write_only,
        )
    return MESSAGES["Schema"](version=version, block=block)


def path_message(path: Iterable[str | int]) -> Any:
    """An attribute's name, then keys (str) or indexes (int) inside it."""
    message = MESSAGES["AttributePath"]()
    for position, step in enumerate(path):
        if isinstance(step, int):
            message.steps.add(element_key_int=step)
        elif position == 0:
            message.steps.add(attribute_name=step)
        else:
            message.steps.add(element_key_string=step)
    return message


class InvalidAttribute(UserError):
    """A value that cannot be: `path` is the attribute's name, then keys or indexes inside it."""

    def __init__(self, message: str, hint: str, *path: str | int) -> None:
        super().__init__(message, hint)
        self.path = path


class Diagnostics(list[Any]):
    """What goes back to Terraform beside an answer."""

    def error(self, error: UserError) -> None:
        self._add(1, error.message, error.hint, getattr(error, "path", ()))

    def warn(self, summary: str, detail: str) -> None:
        self._add(2, summary, detail, ())

    def _add(self, severity: int, summary: str, detail: str, path: tuple[str | int, ...]) -> None:
        message = MESSAGES["Diagnostic"](severity=severity, summary=summary, detail=detail)
        if path:
            message.attribute.CopyFrom(path_message(path))
        self.append(message)

    @property
    def failed(self) -> bool:
        return any(message.severity == 1 for message in self)
