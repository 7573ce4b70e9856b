"""Turns: a machine stops what others depend on only when it is its turn, and while all others serve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from agent.host import Host

DEBIAN = "debian"  # the packages of a machine itself, as a component
# What comes before what, on all machines. Those of a group go together on one machine.
ORDER = (
    ("etcd",),
    ("kube-apiserver",),
    ("kube-controller-manager", "kube-scheduler"),
    ("kubelet", "kube-proxy"),
    (DEBIAN,),
)


class Waiting(Exception):
    """It is not this machine's turn; the text says whom it waits for."""


@dataclass(frozen=True)
class Stop:
    """What is about to be stopped. `identity` is that of its new description, the same on every machine."""

    component: str
    identity: str
    serving: Callable[[], bool]


class Turns(Protocol):
    """How one machine takes its turns."""

    def take(self, stop: Stop) -> AbstractContextManager[None]:
        """Have the turn to replace something, for as long as the context lasts; Waiting where it is not to be had.

        A NodeError from within halts the rollout: the component was put back. NodeError where it is halted.
        """

    def hold(self, stop: Stop) -> AbstractContextManager[None]:
        """Have the turn to start something again that hangs; Waiting where it is not to be had."""

    def away(self, stop: Stop) -> None:
        """Have the pods of this machine elsewhere and no other machine stopped, so that it may boot; within a turn.

        Waiting where that is not so.
        """

    def back(self) -> None:
        """Waiting where the node of this machine is not Ready since it booted."""

    def done(self, component: str, identity: str) -> None:
        """Record that a component runs as the release describes it."""

    def finish(self) -> None:
        """Record that this machine runs the whole release."""


class AtOnce:
    """Turns of a machine that others need not wait for.

    That is a new one, and a change that machines make together, as those with it and those without do not reach each
    other.
    """

    def take(self, stop: Stop) -> AbstractContextManager[None]:
        return nullcontext()

    def hold(self, stop: Stop) -> AbstractContextManager[None]:
        return nullcontext()

    def away(self, stop: Stop) -> None:
        """Nothing: nothing runs on it yet."""

    def back(self) -> None:
        """Nothing: it has no node yet."""

    def done(self, component: str, identity: str) -> None:
        """Nothing: nobody waits for it."""

    def finish(self) -> None:
        """Nothing: it is not the whole release."""


def identity(*descriptions: Any) -> str:
    """What tells one description of a component from another."""
    return hashlib.sha256(json.dumps(descriptions, sort_keys=True).encode()).hexdigest()[:16]


def before(component: str) -> set[str]:
    """The components that every machine has done before `component` is stopped on any."""
    position = next((number for number, group in enumerate(ORDER) if component in group), 0)
    return {name for group in ORDER[:position] for name in group}


def load(release: Mapping[str, Any], me: Host, digest: str) -> Turns:
    """The turns of machine `me` on its way to the release with this digest."""
    from agent.turns.control_plane import ControlPlane
    from agent.turns.worker import Worker

    return Worker(me, digest) if me.role == "worker" else ControlPlane(release, me, digest)
