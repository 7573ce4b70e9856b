"""A verb as a list of titled steps, which can be read, tested and run in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from generator.errors import UserError

C = TypeVar("C")  # what the steps of one verb share: each adds to it what later ones need


def always(context: object) -> bool:
    """The condition of a step that is never skipped."""
    return True


def nothing(context: object) -> None:
    """What there is to undo of a step that changes nothing."""


@dataclass(frozen=True, slots=True)
class Step(Generic[C]):
    """One step: `run` does it, where `when` is true of what earlier steps brought about.

    A step that raises ends the verb, so a guard is a step before those that it guards. Then `undo` takes back what
    the steps before it did, up to the last one that is `final`.
    """

    title: str
    run: Callable[[C], None]
    when: Callable[[C], bool] = always
    undo: Callable[[C], None] = nothing
    final: bool = False


def run(steps: Sequence[Step[C]], context: C) -> C:
    """Run `steps` in order; the context as the last one left it."""
    done: list[Step[C]] = []
    try:
        for step in steps:
            if step.when(context):
                step.run(context)
                done = [] if step.final else [*done, step]
    except UserError as error:
        if left := _undo(done, context):
            raise UserError(f"{error.message}\n{left}", error.hint) from error
        raise
    except BaseException:  # an interruption too
        _undo(done, context)
        raise
    return context


def _undo(done: Sequence[Step[C]], context: C) -> str:
    """Take back what was done, the last first; what of it could not be, as why the verb ended matters more."""
    left = []
    for step in reversed(done):
        try:
            step.undo(context)
        except UserError as error:
            left.append(f"{error.message} {error.hint}".strip())
    return "\n".join(left)
