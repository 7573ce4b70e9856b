"""A preflight is a list of looks: each says what there is, or raises UserError where that will not do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from typing import Any, TypeVar

from generator import lock as locks
from generator.definition import Definition
from generator.errors import UserError
from providers import Check

THREADS = 4


class Doubt(UserError):
    """Something that may do or may not, which cannot be told from here: a warning."""


P = TypeVar("P")  # what is asked about
Look = Callable[[P], str]
Named = tuple[str, Look[P]]


def checks(
    plan: P, first: Sequence[Named[P]], rest: Callable[[P], Iterable[Named[P]]], unseen: Callable[[UserError], bool]
) -> tuple[Check, ...]:
    """All of them; the `first` ones alone where one of these fails, since there is nobody to ask then.

    `unseen` tells an error that is but a doubt as well: the look could not be made.
    """
    found: list[Check] = []
    for each in first:
        found.append(_check(plan, each, unseen))
        if found[-1].needed:
            return tuple(found)
    with ThreadPoolExecutor(THREADS) as pool:
        return (*found, *pool.map(lambda each: _check(plan, each, unseen), rest(plan)))


def _check(plan: P, named: Named[P], unseen: Callable[[UserError], bool]) -> Check:
    """A look that fails is that check's own failure, so that the others are still made.

    What could not be looked at is but a warning: who may make machines need not be allowed to read quotas.
    """
    subject, look = named
    try:
        return Check(subject, True, look(plan))
    except UserError as error:
        return Check(
            subject,
            False,
            error.message.rstrip("."),
            error.hint,
            needed=not (isinstance(error, Doubt) or unseen(error)),
        )


def facts(definition: Definition, target: str) -> Mapping[str, Any]:
    """What the lock beside `definition` holds of `target`, {} where it holds nothing yet."""
    path = locks.path_beside(definition.path)
    return locks.read(path).facts.get(target, {}) if path.exists() else {}


def free_ranges(definition: Definition, network: str, taken: Sequence[tuple[IPv4Network, str]]) -> str:
    """That pods and Services have no addresses which `network` has taken, [(range, whose it is)]; UserError else."""
    own = {"pods": definition.network.pods, "services": definition.network.services}
    for what, wanted in own.items():
        for cidr, owner in taken:
            if wanted.overlaps(cidr):
                message = f"spec.network.{what} {wanted} clashes with {cidr}, {owner}."
                raise UserError(message, f"Give {what} another range: machines could not reach what has those now.")
    return f"pods {own['pods']} and services {own['services']} are free in {network}"
