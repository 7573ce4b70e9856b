"""Docker through Weave's proxy: a container that it starts joins the network, and is let pass at once.

Some must be reached before they are healthy: a member of etcd first asks the others who they are.
"""

from __future__ import annotations

from agent.docker import Docker
from agent.host import run
from agent.network.weave import client, interfaces

SOCKET = "/run/weave/weave.sock"
ROLES = "anywhere-roles"  # the set of this machine's role container addresses


class Proxy(Docker):
    def __init__(self) -> None:
        super().__init__(SOCKET)

    def start(self, name: str) -> None:
        interfaces.remove_stale()  # before it may get the address of one that has ended
        super().start(name)
        if container := Docker().inspect(name):
            for address in client.addresses(container["Id"]):
                run("ipset", "add", ROLES, address, "-exist")
