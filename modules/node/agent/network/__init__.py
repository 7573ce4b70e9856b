"""The network comes first. A driver brings it up, connects role containers to it, and resolves their names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

from agent.docker import Docker
from agent.host import Host
from agent.turns import Turns


class Network(Protocol):
    """A driver: hides everything that is specific to weave or flannel."""

    def images(self) -> tuple[str, ...]:
        """The images that it needs."""

    def begin(self) -> None:
        """Start what takes a while to come up, where it never ran, and do not wait for it: `up` does."""

    def up(self, turns: Turns) -> None:
        """Bring it up on this machine as the release describes it; do nothing if it already is."""

    def repair(self) -> None:
        """Repair what may keep this machine from others; called from time to time while it waits for one of them."""

    def resume(self) -> None:
        """Bring it up after a boot as it was before, without fetching anything."""

    def settle(self, turns: Turns) -> None:
        """Do what needs a component that has just become healthy, other than etcd and the API server.

        It is also called where none has, at least once each time that the machine converges.

        All components are begun by then, and a master has applied what lets nodes read the API: a driver may wait for
        what they give the node.
        """

    def engine(self, spec: Mapping[str, Any]) -> Docker:
        """The engine that creates and starts this container."""

    def join(self, settings: dict[str, Any], spec: Mapping[str, Any]) -> None:
        """Add to a container's Docker settings what puts it on the control plane's network."""

    def name_servers(self) -> tuple[str, ...]:
        """The servers on this machine for the network's own names, which must not be asked for others."""

    def measured(self) -> tuple[str, ...]:
        """Where it shows on this machine what it measures, as Prometheus reads it: URLs."""

    def node_address(self) -> str:
        """This machine's address as a Kubernetes node."""

    def leave(self) -> None:
        """Return the addresses that this machine was given for its pods; a later `up` starts from nothing."""

    def forget(self, name: str) -> None:
        """Reclaim the addresses that machine `name` did not return before it left; may wait for minutes."""


def load(release: Mapping[str, Any], host: Host) -> Network:
    """The driver that the release names."""
    module = importlib.import_module(f"agent.network.{release['network']['driver']}")
    driver: Network = module.driver(release, host)
    return driver
