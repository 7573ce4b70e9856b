"""The resolver file that pods inherit: the machine's own upstream servers, whatever they are now."""

from __future__ import annotations

from pathlib import Path

from agent.files import link, put

UPSTREAM = Path("/run/systemd/resolve/resolv.conf")
FOLDER = Path("/var/lib/kubelet")
# The cluster's DNS refuses to start with no server to ask. Where a machine has none, as when it may reach nothing
# outside, this one of the addresses kept for documentation says no for it: the cluster's own names still resolve.
NOBODY = "nameserver 192.0.2.1\n"


def ensure() -> None:
    """Point `resolv.conf` in the kubelet's folder at what is right on this machine."""
    nobody = FOLDER / "resolv.nobody"
    put(nobody, NOBODY)
    has_servers = UPSTREAM.exists() and any(line.startswith("nameserver") for line in UPSTREAM.read_text().splitlines())
    link(FOLDER / "resolv.conf", UPSTREAM if has_servers else nobody)
