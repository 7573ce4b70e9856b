"""How this machine's router comes by a part of the network's addresses: decided once, before it has any.

The machines with etcd that found a cluster share all addresses among themselves, whoever of them is up. Everybody else
is given some by a peer. So is one of those machines that comes anew to a cluster that is there: what it once had may be
somebody else's by now, and a router that claims it again was seen to crash for ever.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from agent import membership
from agent.files import write
from agent.host import STATE, Host
from agent.network.weave import client

DECIDED = STATE / "weave-addresses"
SHARE, ASK = "share", "ask"
SECONDS = 120  # machines that are up reconnect within their timer's 30 s


def share(release: Mapping[str, Any], host: Host, *, has_data: bool) -> bool:
    """Whether this machine is one of those that share all addresses.

    `has_data` is whether its router has data: without, whatever was decided before, others may have what it once had.
    """
    if host.address not in release["network"]["seeds"]:
        return False
    if not (DECIDED.exists() and has_data):
        # Etcd needs the network, so where it was complete once, the addresses were shared before.
        write(DECIDED, SHARE if has_data or not membership.is_founded() else ASK)
    return DECIDED.read_text() == SHARE


def are_lost(host: Host) -> bool:
    """Whether nobody who is up has any addresses, so that those who found the cluster have to share them again.

    Waits for a peer that has some, where this machine asks for them though it once shared.
    """
    if not DECIDED.exists() or DECIDED.read_text() == SHARE:
        return False
    end = time.monotonic() + SECONDS
    while not client.is_shared():
        if time.monotonic() > end:
            print(f"{host.name}: no machine that is up has addresses of the network: they are shared anew", flush=True)
            write(DECIDED, SHARE)
            return True
        time.sleep(1)
    return False


def forget() -> None:
    """Decide anew, once the router's data is gone."""
    DECIDED.unlink(missing_ok=True)
