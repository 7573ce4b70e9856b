"""Weave's own interface, on this machine's loopback only."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterable
from typing import Any

from agent.host import NodeError

ADDRESS = "127.0.0.1:6784"
SECONDS = 60  # who asks for an address waits until there is one


def call(method: str, path: str, body: str | None = None, **headers: str) -> str:
    """One request; NodeError carries what weave answered, TimeoutError that it did not."""
    connection = http.client.HTTPConnection(ADDRESS, timeout=SECONDS)
    form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    try:
        connection.request(method, path, body, form | headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    except TimeoutError as error:
        raise TimeoutError(f"weave {method} {path}: no answer within {SECONDS} s") from error
    finally:
        connection.close()
    if answer.status >= 300:
        raise NodeError(f"weave {method} {path}: {answer.status} {text.strip()[:200]}")
    return text


def answers() -> bool:
    """Whether the router and its proxy answer."""
    try:
        call("GET", "/status")
    except (NodeError, OSError):
        return False
    return True


def serves() -> bool:
    """Whether the router answers and knows of addresses: without, nothing on this machine can be on the network."""
    try:
        return answers() and is_shared()
    except (NodeError, OSError):
        return False


def addresses(container: str) -> list[str]:
    """A container's addresses on the network, none where it is not there."""
    try:
        return [cidr.split("/")[0] for cidr in call("GET", f"/ip/{container}").split()]
    except NodeError:
        return []


def shares(nickname: str) -> dict[str, bool]:
    """Peers of that name that own a part of the address space, and whether each can be reached."""
    return {entry["Peer"]: entry["IsKnownPeer"] for entry in _parts() if entry["Nickname"] == nickname}


def is_shared() -> bool:
    """Whether the router knows who owns which part of the address space."""
    return bool(_parts())


def reaches(addresses: Iterable[str]) -> bool:
    """Whether the router is connected to one of these machines."""
    lines = (line.split() for line in call("GET", "/status/connections").splitlines())
    connected = {address.rpartition(":")[0] for _, address, state, *_ in lines if state == "established"}
    return not connected.isdisjoint(addresses)


def connect(addresses: Iterable[str]) -> None:
    """Have the router try these machines now: after some failures it waits for minutes between two attempts."""
    call("POST", "/connect", urllib.parse.urlencode([("peer", address) for address in addresses]))


def _parts() -> list[dict[str, Any]]:
    """The parts of the address space, each with its owner."""
    return json.loads(call("GET", "/report", Accept="application/json"))["IPAM"]["Entries"] or []
