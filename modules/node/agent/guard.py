"""Keep pods and role containers away from the metadata service: it hands out this machine's keys to whoever asks."""

from __future__ import annotations

from agent.host import NodeError, run

DNS = "53"  # on GCE the same address is the machine's name server, which the cluster's DNS asks


def ensure(metadata: str) -> None:
    """Drop what arrives for `metadata` from any interface; the machine's own programs do not pass here."""
    rule = ["PREROUTING", "!", "-i", "lo", "-d", f"{metadata}/32", "-p", "tcp", "!", "--dport", DNS, "-j", "DROP"]
    try:
        run("iptables", "-w", "-t", "raw", "-C", *rule)
    except NodeError:
        run("iptables", "-w", "-t", "raw", "-I", *rule)
