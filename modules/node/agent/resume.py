"""Bring the network of this machine up after a boot, before anything is fetched: the store may be down.

Docker starts the containers that ran before. What the kernel forgets at a boot, addresses and routes, is restored here.
"""

from __future__ import annotations

import sys

from agent import host, leave, network, resolver, service
from agent.files import put
from agent.host import NodeError


def prepare(text: str) -> None:
    """Make the next boot bring up the network of the release with this `text`, the current one."""
    put(host.CONVERGED, text)
    service.install("anywhere-network.service")


def main() -> int:
    """What the unit anywhere-network does, unless the machine was about to leave its cluster."""
    if leave.BEGUN.exists() or not host.CONVERGED.exists():
        return 0
    release = host.release(host.CONVERGED.read_text())
    net = network.load(release, host.read(release))
    net.resume()
    resolver.ensure(without=net.name_servers())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NodeError, OSError) as error:
        sys.exit(f"the network did not come up as it was: {error}")
