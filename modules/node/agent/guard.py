"""Keep pods and role containers away from the metadata service, which gives this machine's keys to every caller.

A unit does that before Docker and containerd start at each boot; here it is installed, and its rule verified.
"""

from __future__ import annotations

from agent import service
from agent.host import NodeError, run

UNIT = "anywhere-guard.service"


def ensure(metadata: str) -> None:
    """Make the unit drop packets for the address `metadata`, now and after each boot."""
    rule = ["PREROUTING", "!", "-i", "lo", "-d", f"{metadata}/32", "-p", "tcp", "!", "--dport", "53", "-j", "DROP"]
    service.ensure(UNIT, rule=" ".join(rule))
    try:
        run("iptables", "-w", "-t", "raw", "-C", *rule)
    except NodeError:  # someone has removed it since
        run("systemctl", "restart", UNIT)
