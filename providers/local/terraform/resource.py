"""What a resource type is: its schema and its six operations."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Generic, TypeVar

from generator.errors import UserError
from providers.local.terraform.schema import UNKNOWN, Diagnostics, Schema, State

Settings = TypeVar("Settings")

STOP = threading.Event()
"""Set when Terraform asks to stop: long waits end early and leave what a second apply adopts."""


class Resource(Generic[Settings]):
    """A resource type. Operations raise UserError; `settings` is what the provider block gave.

    Each gets and gives whole states. What an operation raises leaves Terraform's state as it was.
    """

    schema: ClassVar[Schema]
    version: ClassVar[int] = 0
    description: ClassVar[str] = ""

    def __init__(self, settings: Settings, warnings: Diagnostics) -> None:
        self.settings = settings
        self.warnings = warnings

    @classmethod
    def validate(cls, config: State) -> None:
        """Raise InvalidAttribute where `config` cannot be; values may be UNKNOWN."""

    def plan(self, prior: State | None, planned: State, config: State) -> State:
        """Refine what Terraform proposes; `prior` is None for a new object."""
        return planned

    def create(self, planned: State, config: State) -> State:
        raise NotImplementedError

    def read(self, state: State) -> State | None:
        """The state as it really is; None where the object is gone."""
        raise NotImplementedError

    def update(self, prior: State, planned: State, config: State) -> State:
        raise NotImplementedError

    def delete(self, state: State) -> None:
        """Idempotent: an object that is gone already is no error."""
        raise NotImplementedError

    def import_(self, identity: str) -> State:
        raise UserError("This resource cannot be imported.")


def is_known(value: Any) -> bool:
    """Whether a configured value is there and already known."""
    return value is not None and value is not UNKNOWN


def with_defaults(schema: Schema, prior: State | None, proposed: State, config: State) -> State:
    """Terraform's proposal with defaults, and with UNKNOWN for what only creating can tell."""
    planned = dict(proposed)
    for name, attribute in schema.items():
        if attribute.write_only:
            planned[name] = None  # Terraform proposes what the configuration says, and accepts only null back
        if not attribute.computed or config[name] is not None:
            continue
        if attribute.default is not None:
            planned[name] = attribute.default
        elif prior is None:
            planned[name] = UNKNOWN
    return planned


def replaced_by(schema: Schema, prior: State | None, planned: State) -> list[str]:
    """The attributes whose change needs a new object."""
    if prior is None:
        return []
    return [name for name, attribute in schema.items() if attribute.replace and planned[name] != prior[name]]
