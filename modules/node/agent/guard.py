"""Keep pods and role containers away from the metadata service: it hands out this machine's keys to whoever asks.

A unit does that before Docker and containerd start at each boot; here it is installed, and its rule verified.
"""

from __future__ import annotations

from agent import service
from agent.host import NodeError, run

UNIT = "anywhere-guard.service"


def ensure(metadata: str) -> None:
    """Have the unit drop what arrives for the address `metadata`, now and from the next boot on."""
    rule = ["PREROUTING", "!", "-i", "lo", "-d", f"{metadata}/32", "-p", "tcp", "!", "--dport", "53", "-j", "DROP"]
    service.ensure(UNIT, rule=" ".join(rule))
    try:
        run("iptables", "-w", "-t", "raw", "-C", *rule)
    except NodeError:  # someone has removed it since
        run("systemctl", "restart", UNIT)
