"""A preflight is a list of probes: each says what it found, or raises UserError where it does not suit the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from typing import Any, TypeVar

from generator import lock as locks
from generator.definition import Definition
from generator.errors import UserError
from providers import Check

THREADS = 4


class Uncertain(UserError):
    """Something that may or may not work, which cannot be told from here: a warning."""


P = TypeVar("P")  # what is asked about
Probe = Callable[[P], str]
Named = tuple[str, Probe[P]]


def run(
    plan: P, first: Sequence[Named[P]], rest: Callable[[P], Iterable[Named[P]]], unanswered: Callable[[UserError], bool]
) -> tuple[Check, ...]:
    """All checks; only the `first` ones where one of these fails, since no other would get an answer.

    `unanswered` tells the errors of a cloud that did not answer, which are warnings too.
    """
    found: list[Check] = []
    for each in first:
        found.append(_check(plan, each, unanswered))
        if found[-1].needed:
            return tuple(found)
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(_once((*found, *pool.map(lambda each: _check(plan, each, unanswered), rest(plan)))))


def _once(found: Iterable[Check]) -> Iterator[Check]:
    """Every check, but for a failure with what another said: both ask for the same, such as machine types."""
    said: set[str] = set()
    for check in found:
        if not check.needed or check.detail not in said:
            yield check
        said |= {check.detail} if check.needed else set()


def _check(plan: P, named: Named[P], unanswered: Callable[[UserError], bool]) -> Check:
    """A probe that fails is that check's own failure, so that the others still run.

    Without an answer it is a warning: whoever may create machines need not be allowed to read quotas.
    """
    subject, probe = named
    try:
        return Check(subject, True, probe(plan))
    except UserError as error:
        return Check(
            subject,
            False,
            error.message.rstrip("."),
            error.hint,
            needed=not (isinstance(error, Uncertain) or unanswered(error)),
        )


def facts(definition: Definition, target: str) -> Mapping[str, Any]:
    """What the lock beside `definition` holds of `target`, {} where it holds nothing yet."""
    path = locks.path_beside(definition.path)
    return locks.read(path).facts.get(target, {}) if path.exists() else {}


def free_ranges(definition: Definition, network: str, taken: Sequence[tuple[IPv4Network, str]]) -> str:
    """That `network` uses none of the addresses of pods and Services; UserError where it does.

    `taken` are its ranges, each with whose it is.
    """
    own = {"pods": definition.network.pods, "services": definition.network.services}
    for what, wanted in own.items():
        for cidr, owner in taken:
            if wanted.overlaps(cidr):
                message = f"spec.network.{what} {wanted} overlaps with {cidr}, {owner}."
                raise UserError(message, f"Give {what} another range: machines could not reach what uses {cidr}.")
    return f"pods {own['pods']} and services {own['services']} are free in {network}"
