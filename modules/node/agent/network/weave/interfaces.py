"""The interfaces of role containers that have ended.

Weave's router never closes the network namespace of a container that it connected, so the kernel keeps the namespace
and its interface until the router ends: it goes on answering for an address that another container has by then, or the
same one after a restart.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from agent.docker import Docker
from agent.host import NodeError, run

PREFIX = "vethwepl"  # on the bridge, followed by the process of a container, or by the identifier of a pod


def remove_stale() -> None:
    """Remove each interface whose container runs no more, and with it the other end, in the namespace."""
    roles = _of_roles()
    docker = Docker()
    # Asked after the interfaces, so that one which is new is of a container that is known.
    found = [docker.inspect(container["Id"]) for container in docker.call("GET", "/containers/json")]
    for name in sorted(roles - {f"{PREFIX}{container['State']['Pid']}" for container in found if container}):
        with suppress(NodeError):  # it may be gone by now
            run("ip", "link", "delete", name)


def _of_roles() -> set[str]:
    """The interfaces of role containers on this machine; a pod's identifier may be all digits, too."""
    pods = {namespace.get("id") for namespace in _list("netns", "list")}  # only theirs have names
    links = _list("-details", "link", "show", "type", "veth")
    numbered = [link for link in links if link["ifname"].removeprefix(PREFIX).isdigit()]
    return {link["ifname"] for link in numbered if link.get("link_netnsid") not in pods}


def _list(*command: str) -> list[dict[str, Any]]:
    """What `ip` lists; it writes nothing where there is nothing."""
    listed: list[dict[str, Any]] = json.loads(run("ip", "-json", *command) or "[]")
    return listed
