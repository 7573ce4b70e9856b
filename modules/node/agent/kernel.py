"""The kernel that this machine runs on: its cgroups, and what a node requires of it.

A machine that is a system container shares the kernel of its host. It cannot load modules, and may find parts of
/proc/sys read-only, so what counts is what the kernel can do, not whether a command to change it succeeded.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.host import NodeError, run

CGROUP2 = Path("/sys/fs/cgroup/cgroup.controllers")  # only there where version 2 is all there is
CONTAINER = Path("/run/host/container-manager")  # written by what runs containers with an init of their own
STATUS, OOM_SCORE = Path("/proc/self/status"), Path("/proc/self/oom_score_adj")
SYS_RESOURCE = 24  # the number of the capability that lowers scores, which a container's host may withhold
FILE_SYSTEMS = Path("/proc/filesystems")
# Of genetlink(7): its protocol, the controller that knows its families, and how that is asked for one by name.
GENERIC, CONTROL, REQUEST, GET_FAMILY, FAMILY_NAME = 16, 16, 1, 3, 2
DATAPATH = b"ovs_datapath\0"
# Required modules, with how each shows that it is loaded or built in.
MODULES: Mapping[str, Callable[[], bool]] = {
    "overlay": lambda: "overlay" in FILE_SYSTEMS.read_text().split(),
    "nf_conntrack": Path("/proc/sys/net/netfilter/nf_conntrack_max").exists,
    "br_netfilter": Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists,
}
# Required settings; those of /etc/sysctl.d that are not listed here only make a node better.
SETTINGS: Mapping[Path, str] = {
    Path("/proc/sys/net/ipv4/ip_forward"): "1",
    Path("/proc/sys/net/bridge/bridge-nf-call-iptables"): "1",
}


def cgroup_v2() -> bool:
    """Whether this machine's cgroups are of version 2."""
    return CGROUP2.exists()


def shared() -> bool:
    """Whether this machine is a container: all machines of its cluster are on one computer, and use its kernel."""
    return CONTAINER.exists()


def has_link(kind: str) -> bool:
    """Whether this kernel has network interfaces of a kind, such as wireguard."""
    try:
        run("ip", "link", "add", "anywhere-probe", "type", kind)
    except NodeError:
        return False
    run("ip", "link", "delete", "anywhere-probe")
    return True


def has_datapath() -> bool:
    """Whether this kernel has the datapath of Open vSwitch, which it offers as a family of generic netlink."""
    name = DATAPATH.ljust(len(DATAPATH) + -len(DATAPATH) % 4, b"\0")
    asked = struct.pack("=BBxxHH", GET_FAMILY, 1, 4 + len(DATAPATH), FAMILY_NAME) + name
    header = struct.pack("=IHHII", 16 + len(asked), CONTROL, REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC) as netlink:
        netlink.send(header + asked)
        (kind,) = struct.unpack_from("=H", netlink.recv(4096), 4)
    return bool(kind == CONTROL)


def oom_score(wanted: int) -> int:
    """The score that a container starts with: below this machine's own only where scores may be lowered."""
    status = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    if int(status["CapEff"], 16) >> SYS_RESOURCE & 1:
        return wanted
    return max(wanted, int(OOM_SCORE.read_text()))


def ensure() -> None:
    """Load the modules and change the settings that a node requires; NodeError names the first that is missing."""
    for module, there in MODULES.items():
        if not there():
            _load(module)
    for path, value in SETTINGS.items():
        if path.read_text().strip() != value:
            _set(path, value)


def _load(module: str) -> None:
    try:
        run("modprobe", module)
    except (NodeError, OSError) as error:
        raise NodeError(f"the kernel lacks the module {module}: {error}; load it on the host of a container") from error


def _set(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise NodeError(f"{path} must be {value} and cannot be set: {error.strerror}") from error
