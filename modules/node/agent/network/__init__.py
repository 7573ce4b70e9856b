"""The network comes first. A driver brings it up, lets role containers join, and says what names resolve."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from agent.docker import Docker
from agent.host import Host


class Network(Protocol):
    """A driver: everything that the agent knows of weave or flannel is behind this."""

    def images(self) -> tuple[str, ...]:
        """The images without which it cannot come up."""

    def up(self) -> None:
        """Bring it up on this machine as the release describes it; does nothing where it is so."""

    def resume(self) -> None:
        """Bring it up after a boot as it was before, from nothing but what is on this machine."""

    def settle(self) -> None:
        """What only a component that just became healthy makes possible; called after each."""

    def engine(self, spec: Mapping[str, Any]) -> Docker:
        """The engine that creates and starts this container."""

    def join(self, settings: dict[str, Any], spec: Mapping[str, Any]) -> None:
        """Add to a container's Docker settings what puts it on the control plane's network."""

    def name_servers(self) -> tuple[str, ...]:
        """The servers of its own names on this machine, which nobody is to ask for others."""

    def node_address(self) -> str:
        """This machine's address as a Kubernetes node."""

    def leave(self) -> None:
        """Hand back what this machine was given for its pods; a later `up` begins afresh."""

    def forget(self, name: str) -> None:
        """Take back what machine `name`, which has gone, did not hand back itself; may wait for minutes."""


def load(release: Mapping[str, Any], host: Host) -> Network:
    """The driver that the release names."""
    module = importlib.import_module(f"agent.network.{release['network']['driver']}")
    driver: Network = module.driver(release, host)
    return driver
