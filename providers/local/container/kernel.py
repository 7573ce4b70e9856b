"""What this computer's kernel was built with: machines that are containers run on it, and cannot bring their own."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from generator.command import find, run

# What the settings of the kernel are called, and the module that each becomes where it is one.
FEATURES = {
    "overlay": "OVERLAY_FS",
    "loop": "BLK_DEV_LOOP",
    "veth": "VETH",
    "bridge": "BRIDGE",
    "br_netfilter": "BRIDGE_NETFILTER",
    "nf_conntrack": "NF_CONNTRACK",
    "vxlan": "VXLAN",
    "wireguard": "WIREGUARD",
    "dummy": "DUMMY",
    "openvswitch": "OPENVSWITCH",
    "ip_set": "IP_SET",
    "xt_set": "NETFILTER_XT_SET",
    "tun": "TUN",
}
EVERY_MACHINE = ("overlay", "loop", "veth", "bridge", "br_netfilter", "nf_conntrack")
WEAVE = ("dummy", "ip_set", "xt_set")  # without any of these it does not come up
FLANNEL = ("vxlan",)
# Watchers of files, for all programs of root on this computer; the kernel's default is 128.
WATCHERS, ENOUGH = "fs.inotify.max_user_instances", 8192
# What a kubelet insists on: it would set them itself, which a machine may not, and does not start without.
KUBELET = {
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1_000_000,
    "kernel.keys.root_maxbytes": 25_000_000,
}
_ROOT = Path("/")


def missing(features: Iterable[str]) -> tuple[str, ...]:
    """Those of `features` (module names) that this kernel does not have. A kernel that does not say has all."""
    settings = _settings()
    return tuple(name for name in features if settings and FEATURES[name] not in settings)


def modules(features: Iterable[str]) -> tuple[str, ...]:
    """Those of `features` that are modules, and must be loaded before a machine needs them."""
    settings = _settings()
    return tuple(name for name in features if settings.get(FEATURES[name]) == "m")


@cache
def _settings() -> dict[str, str]:
    """The kernel's build settings, without CONFIG_: y or m; {} where they are not to be read."""
    for path, opened in (
        (_ROOT / "proc/config.gz", gzip.open),
        (_ROOT / f"boot/config-{os.uname().release}", open),
    ):
        try:
            with opened(path, "rt") as file:
                return dict(re.findall(r"^CONFIG_(\w+)=([ym])$", file.read(), re.MULTILINE))
        except OSError:
            continue
    return {}


def unprepared() -> tuple[str, ...]:
    """What must be done to this computer before its first machine, in words; () where nothing is left to do."""
    absent = _unloaded(modules(FEATURES))
    loading = (f"loading kernel modules: {' '.join(absent)}",) if absent else ()
    values = ", ".join(f"{name} to {value}" for name, value in _unset().items())
    setting = (f"setting {values}, until this computer boots again",) if values else ()
    return (*loading, *setting)


def prepare(names: Iterable[str]) -> None:
    """Load modules, which machines cannot, and change the settings that all machines share."""
    if absent := _unloaded(names):
        run([find("modprobe"), "--all", *absent], "Loading kernel modules")
    for name, value in _unset().items():
        _setting(name).write_text(str(value))


def _unloaded(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not (_ROOT / "sys/module" / name).exists())


def _unset() -> dict[str, int]:
    """The settings that are to change, with their new values."""
    there = {name: int(_setting(name).read_text()) for name in (WATCHERS, *KUBELET) if _setting(name).exists()}
    few = {WATCHERS: ENOUGH} if there.get(WATCHERS, ENOUGH) < ENOUGH else {}
    return few | {name: value for name, value in KUBELET.items() if there.get(name, value) != value}


def _setting(name: str) -> Path:
    return _ROOT / "proc/sys" / name.replace(".", "/")
