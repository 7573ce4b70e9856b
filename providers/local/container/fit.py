"""Whether this computer can run machines as containers, and with which network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from providers import Check
from providers.local import host
from providers.local.container import cgroup, kernel, root

_TOOLS = ("systemd-nspawn", "ip", "mount", "cp", "qemu-img")
_WANTED_V1 = frozenset(("cpu", "cpuset", "memory", "pids", "devices", "name=systemd"))
_LOOP = Path("/dev/loop-control")
_TUN = Path("/dev/net/tun")


def checks(egress: bool) -> tuple[Check, ...]:
    """Everything about this computer that containers depend on, a line each."""
    tools = (*_TOOLS, "slirp4netns") if egress else _TOOLS
    return (_root(), *map(host.tool, tools), _groups(), _loop(), *([_tun()] if egress else []), _kernel())


def obstacles(egress: bool = False) -> tuple[Check, ...]:
    """The checks that fail."""
    return tuple(check for check in checks(egress) if not check.ok)


def unfit_drivers() -> Mapping[str, str]:
    """The network drivers that do not come up on this kernel, and why."""
    wanted = {"weave": kernel.WEAVE, "flannel": kernel.FLANNEL}
    return {
        driver: f"the kernel of this computer, on which containers run, has no {', '.join(absent)}"
        for driver, features in wanted.items()
        if (absent := kernel.missing(features))
    }


def _root() -> Check:
    if root.permitted() or shutil.which("sudo"):
        return Check("root", True, "machines are made as root: namespaces, mounts and control groups")
    return Check("root", False, "machines as containers need root, and there is no sudo", root.HINT, needed=True)


def _groups() -> Check:
    there = cgroup.own()
    if "" in there and cgroup.unified():
        return Check("control groups", True, "version 2")
    if absent := sorted(_WANTED_V1 - {name for names in there for name in names.split(",")}):
        detail = f"{cgroup.ROOT} lacks {', '.join(absent)}"
        return Check("control groups", False, detail, "Mount them, or use machines: vm.", needed=True)
    return Check("control groups", True, "version 1")


def _loop() -> Check:
    return _device("loop devices", _LOOP, "modprobe loop")


def _tun() -> Check:
    return _device("tunnel devices", _TUN, "modprobe tun, or write egress: false")


def _device(subject: str, path: Path, remedy: str) -> Check:
    if path.exists():
        return Check(subject, True, str(path))
    return Check(subject, False, f"{path} is missing", f"As root: {remedy}.", needed=True)


def _kernel() -> Check:
    if absent := kernel.missing(kernel.EVERY_MACHINE):
        detail = f"this computer's kernel has no {', '.join(absent)}"
        return Check("kernel", False, detail, "Boot a kernel that has, or use machines: vm.", needed=True)
    return Check("kernel", True, _datapath())


def _datapath() -> str:
    absent = tuple(_consequences())
    return "; ".join(absent) if absent else "has what both network drivers use"


def _consequences() -> Iterator[str]:
    if lacking := kernel.missing(kernel.WEAVE):
        yield f"no {', '.join(lacking)}: weave does not run in containers here, flannel does"
    elif kernel.missing(("openvswitch",)):
        yield "no openvswitch: weave runs without its fast datapath (sleeve)"
    if kernel.missing(("wireguard",)):
        yield "no wireguard: flannel does not encrypt between the machines, which are all on this computer"
