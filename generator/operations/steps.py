"""A verb as a list of titled steps, which can be read, tested and run in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C")  # what the steps of one verb share: each adds to it what later ones need


def always(context: object) -> bool:
    """The condition of a step that is never skipped."""
    return True


@dataclass(frozen=True, slots=True)
class Step(Generic[C]):
    """One step: `run` does it, where `when` is true of what earlier steps brought about.

    A step that raises ends the verb, so a guard is a step before those that it guards.
    """

    title: str
    run: Callable[[C], None]
    when: Callable[[C], bool] = always


def run(steps: Sequence[Step[C]], context: C) -> C:
    """Run `steps` in order; the context as the last one left it."""
    for step in steps:
        if step.when(context):
            step.run(context)
    return context
