"""The networks of a machine, as QEMU gives them to a virtual machine, out of namespaces and pairs of interfaces.

`cluster` is on the Ethernet of the cluster's machines: a bridge in a network namespace that the cluster's machines
share. `outside` leads to the machine's own supervisor alone, whose namespace has the metadata address and, where the
machine may reach the outside, slirp4netns, which is the user network of QEMU as a program of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from generator.command import find, run
from generator.errors import UserError
from providers.local.container import linux
from providers.local.home import ClusterFolder, alone

RUN = Path("/run")  # whoever holds it makes or removes a network, one at a time on this computer
NAMESPACES = Path("/run/netns")  # where iproute2 keeps those with a name
BRIDGE = "machines"
METADATA, GATEWAY, DNS, MACHINE = "10.0.2.100", "10.0.2.2", "10.0.2.3", "10.0.2.15"
PREFIX = 24  # of these four
UPLINK = "uplink"
SLIRP_SECONDS = 10.0
# For the machine's systemd-networkd. The route is there without a way out, too: a packet to a Service must have a route
# before kube-proxy sends it to a pod.
OUTSIDE = f"""\
[Match]
Name=outside

[Network]
Address={MACHINE}/{PREFIX}
Gateway={GATEWAY}
"""
# It tells systemd-resolved whom to ask.
NAME_SERVER = f"DNS={DNS}\n"


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The MAC addresses of a machine's interfaces, and its address on the cluster's network in CIDR form, or ""."""

    outside_mac: str
    cluster_mac: str
    address: str


def namespace(cluster: ClusterFolder) -> str:
    """The name of the namespace with the bridge of a cluster: clusters of one name in two homes have one each."""
    return f"anywhere-{cluster.name}-{hashlib.sha256(os.fsencode(cluster.path)).hexdigest()[:6]}"


def ensure_bridge(cluster: ClusterFolder) -> None:
    """Have the namespace with the bridge that carries frames between the machines of a cluster. Idempotent."""
    name = namespace(cluster)
    with alone(RUN):
        if not (NAMESPACES / name).exists():
            _ip("Making the network of the machines", f"netns add {name}")
        shown = subprocess.run([find("ip"), "-n", name, "link", "show", BRIDGE], capture_output=True, check=False)
        if shown.returncode:
            _ip(
                "Making the network of the machines",
                f"-n {name} link add {BRIDGE} type bridge",
                f"-n {name} link set {BRIDGE} up",
                f"-n {name} link set lo up",
            )


def remove_bridge(cluster: ClusterFolder) -> None:
    """Remove the namespace; one that is gone is no error."""
    name = namespace(cluster)
    with alone(RUN):
        if (NAMESPACES / name).exists():
            _ip("Removing the network of the machines", f"netns delete {name}")


def connect(cluster: ClusterFolder, machine: str, interfaces: Interfaces) -> Path:
    """Make this process's network namespace the outside of a machine; the path of the machine's own namespace.

    The mounts of this process must be its own: so is the machine's namespace, which nobody else can see.
    """
    bridge = os.open(NAMESPACES / namespace(cluster), os.O_RDONLY | os.O_CLOEXEC)
    linux.unshare(linux.NEW_NETWORK)
    linux.mount("tmpfs", NAMESPACES, "tmpfs")
    title = f"Connecting machine {machine}"
    _ip(
        title,
        "netns add machine",
        "-n machine link set lo up",
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"link add gateway type veth peer name outside address {interfaces.outside_mac} netns machine",
        f"link set gateway master {BRIDGE} up",
        f"address add {METADATA}/{PREFIX} dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"-n machine address add {MACHINE}/{PREFIX} dev outside",
        "-n machine link set outside up",
    )
    if interfaces.address:
        port = "port-" + hashlib.sha256(machine.encode()).hexdigest()[:8]
        with linux.network_namespace(bridge):
            _delete(port)
        _ip(
            title,
            f"link add {port} type veth peer name cluster address {interfaces.cluster_mac} netns machine",
            f"link set {port} netns /proc/{os.getpid()}/fd/{bridge}",
            f"-n machine address add {interfaces.address} dev cluster",
            "-n machine link set cluster up",
        )
        with linux.network_namespace(bridge):
            _ip(title, f"link set {port} master {BRIDGE} up")
    os.close(bridge)
    return NAMESPACES / "machine"


def open_way_out(host_network: int) -> subprocess.Popen[bytes]:
    """Let the machine reach what this computer reaches, but for its loopback; the process that carries the packets."""
    ready, done = os.pipe()
    words = [find("slirp4netns"), "--disable-host-loopback", f"--ready-fd={done}", str(os.getpid()), UPLINK]

    def in_host_network() -> None:
        linux.die_with_parent()
        linux.enter_network_namespace(host_network)

    slirp = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[done, host_network],
        preexec_fn=in_host_network,
    )
    os.close(done)
    with os.fdopen(ready, "rb") as answer:
        if answer.read(1) != b"1":
            raise UserError(f"slirp4netns ended with {slirp.wait(SLIRP_SECONDS)}.", "Is /dev/net/tun there?")
    _ip("Opening the way out", f"link set {UPLINK} master {BRIDGE} up")
    return slirp


def _delete(link: str) -> None:
    """Delete an interface, if it is there: the kernel takes those of a machine that was killed only some time later."""
    subprocess.run([find("ip"), "link", "delete", link], capture_output=True, check=False)


def _ip(title: str, *commands: str) -> None:
    """Run these commands of iproute2, in order."""
    for command in commands:
        run([find("ip"), *command.split()], title, "`anywhere doctor` checks this computer.")
