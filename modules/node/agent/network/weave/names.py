"""Who answers for names: weaveDNS for weave.local, and the machine's own servers for all others.

systemd-resolved asks weaveDNS as the server of the network's link and for its domain only. As a server of the whole
machine it would be asked for every name, and ask for it in turn.
"""

from __future__ import annotations

from pathlib import Path

from agent.files import put, write
from agent.host import RUN, run

LINK, DOMAIN = "weave", "weave.local"
TOLD = RUN / "weave-dns"  # since this boot: the link, which systemd-resolved knows by its number, and the server
NUMBER = Path(f"/sys/class/net/{LINK}/ifindex")
PODS = RUN / "weave-dns.conf"  # mounted by the cluster's DNS; the kubelet, which checks that it is there, sees /run
GLOBAL = Path("/etc/systemd/resolved.conf.d/weave.conf")  # where earlier releases configured weaveDNS


def ensure(server: str) -> None:
    """Have this machine and its pods ask `server`, weaveDNS, for the names of the network."""
    put(PODS, f"nameserver {server}\n")
    if GLOBAL.exists():
        GLOBAL.unlink()
        run("systemctl", "restart", "systemd-resolved")
    told = f"{NUMBER.read_text().strip()} {server}"
    if TOLD.exists() and TOLD.read_text() == told:
        return
    run("resolvectl", "dns", LINK, server)
    run("resolvectl", "domain", LINK, f"~{DOMAIN}")
    run("resolvectl", "default-route", LINK, "no")
    write(TOLD, told)
