"""Keep pods and role containers away from addresses that are for the machine alone: first of all the metadata service,
which gives this machine's keys to every caller.

A unit does that before Docker and containerd start at each boot; here it is installed, and its rules verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from agent import service
from agent.files import put
from agent.host import NodeError, run

UNIT = "anywhere-guard.service"
RULES = Path("/etc/anywhere/guard.rules")
CHAIN = "ANYWHERE-GUARD"
# What a container asks: neither the machine itself, nor the answers that either gives, such as to a forwarded port.
ASKING = ("!", "-i", "lo", "-m", "addrtype", "!", "--dst-type", "LOCAL", "-m", "conntrack", "--ctdir", "ORIGINAL")


def ensure(networks: Sequence[str]) -> None:
    """Make the unit drop packets to `networks` (such as `169.254.169.254/32`), now and after each boot."""
    changed = put(RULES, _table(networks))
    restarted = service.ensure(UNIT, rules=str(RULES), jump=f"PREROUTING {' '.join(ASKING)} -j {CHAIN}")
    if not restarted and (changed or not _in_force(networks)):
        run("systemctl", "restart", UNIT)


def _rules(networks: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Port 53 stays open: the name server that the cluster's DNS asks may have one of the addresses."""
    for network in networks:
        for protocol in ("tcp", "udp"):
            yield (CHAIN, "-d", network, "-p", protocol, "!", "--dport", "53", "-j", "DROP")


def _table(networks: Sequence[str]) -> str:
    """The chain as iptables-restore takes it, which replaces all of it at once."""
    rules = (f"-A {' '.join(rule)}" for rule in _rules(networks))
    return "\n".join(("*mangle", f":{CHAIN} - [0:0]", *rules, "COMMIT", ""))


def _in_force(networks: Sequence[str]) -> bool:
    """Whether nobody has removed anything since."""
    try:
        for rule in (("PREROUTING", *ASKING, "-j", CHAIN), *_rules(networks)):
            run("iptables", "-w", "-t", "mangle", "-C", *rule)
    except NodeError:
        return False
    return True
