"""The resolver file that pods inherit: the machine's own upstream servers, whatever they are now."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from agent.files import put

UPSTREAM = Path("/run/systemd/resolve/resolv.conf")
PODS = Path("/var/lib/kubelet/resolv.conf")
# The cluster's DNS refuses to start with no server to ask. Where a machine has none, as when it may reach nothing
# outside, this one of the addresses kept for documentation says no for it: the cluster's own names still resolve.
NOBODY = "nameserver 192.0.2.1"


def ensure(without: Collection[str]) -> None:
    """Write the file. systemd-resolved lists every server, also those for one domain: `without` leaves these out."""
    lines = UPSTREAM.read_text().splitlines() if UPSTREAM.exists() else []
    own = {f"nameserver {server}" for server in without}
    kept = [line for line in lines if line and not line.startswith("#") and line.strip() not in own]
    if not any(line.startswith("nameserver") for line in kept):
        kept.append(NOBODY)
    if PODS.is_symlink():  # as earlier releases made it
        PODS.unlink()
    put(PODS, "\n".join(kept) + "\n")
