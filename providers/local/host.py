"""Whether this host can run a cluster: tools, processor, memory and disk."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from generator import command
from generator.directories import cache
from generator.errors import UserError
from generator.topology import Machine
from providers import Check
from providers.local import accelerator, base, ethernet, ports
from providers.local.home import home

_BASE_GIB = 3  # a base image, and the same with container images loaded
_NAMESPACE_HINT = (
    "Permit user namespaces (on Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0) and modprobe tun."
)
_RESTART_HINT = (
    "Power off all of them (`anywhere ssh NAME -- sudo poweroff`), then `anywhere apply` starts them on one bridge."
)
_CONTAINERS_HINT = (
    "System containers take a minute: `machines: container` under providers.local (docs/local.md compares them)."
)
_MACHINE_GIB = 2  # what a machine writes in its first days; its disk grows as it is used


def checks(new: Sequence[Machine]) -> tuple[Check, ...]:
    """What this computer must have for the machines `new`, of whichever kind, a line each."""
    return (_base(), _memory(new), _disk(new), _ports(new))


def virtual(running: Collection[int], *, first: bool) -> tuple[Check, ...]:
    """What virtual machines need beside that, those `running` (pids) too.

    `first` where the cluster has no machine yet, and may take another kind.
    """
    return (tool("qemu-system-x86_64"), tool("qemu-img"), _accelerator(first), _ethernet(running))


def _ethernet(running: Collection[int]) -> Check:
    """How machines reach each other. They do over multicast too, so that is no failure."""
    subject = "network of the machines"
    if len(set(map(ethernet.joined, running))) > 1:
        detail = "some are on a bridge and some on loopback multicast, so they do not reach each other"
        return Check(subject, False, detail, _RESTART_HINT, needed=True)
    if ethernet.serves(running):
        return Check(subject, True, "a bridge in a namespace of its own")
    detail = "machines talk over loopback multicast, which other users of this computer can join"
    if reason := ethernet.obstacle():
        return Check(subject, False, f"{detail}: {reason}", _NAMESPACE_HINT)
    return Check(subject, False, f"{detail}: they were started so", _RESTART_HINT)


def tool(name: str) -> Check:
    """Whether a program is installed."""
    try:
        return Check(name, True, command.find(name))
    except UserError as error:
        return Check(name, False, "is not installed", error.hint, needed=True)


def _base() -> Check:
    try:
        base.check()
    except UserError as error:
        return Check("base image", False, error.message.rstrip("."), error.hint, needed=True)
    return Check("base image", True, "it is there, or this computer has what making it takes")


def _accelerator(first: bool) -> Check:
    """Emulation works too, so only a wish that cannot be is a failure."""
    try:
        verdict = accelerator.judge()
    except UserError as error:
        return Check("accelerator", False, error.message, error.hint, needed=True)
    if first and verdict.accelerator == "tcg" and not verdict.wished:
        detail = f"virtual machines are emulated, and take 5 to 30 minutes to come up: {verdict.reason}"
        return Check("accelerator", False, detail, _CONTAINERS_HINT)
    return Check("accelerator", True, f"{verdict.accelerator}: {verdict.reason}")


def available_memory() -> int:
    """MiB that this host can give without swapping."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["MemAvailable"].split()[0]) // 1024


def _memory(new: Sequence[Machine]) -> Check:
    """Machines take memory only as they use it, which is seldom half of what they may."""
    asked, there = sum(machine.size.memory for machine in new), available_memory()
    detail = f"{there} MiB available; new machines may take {asked} MiB, of which half must be there"
    return Check("memory", asked // 2 <= there, detail, "Use smaller sizes or fewer machines.")


def _disk(new: Sequence[Machine]) -> Check:
    needed = _BASE_GIB + _MACHINE_GIB * len(new)
    free = min(_free_gib(home()), _free_gib(cache()))
    hint = f"Free some, or have ANYWHERE_HOME and ANYWHERE_CACHE elsewhere than {home()} and {cache()}."
    return Check("disk", free >= needed, f"{free} GiB free, about {needed} GiB needed", hint)


def _free_gib(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free >> 30


def _ports(new: Sequence[Machine]) -> Check:
    """A loopback port for each machine's ssh, and one for the API."""
    wanted = [*(machine.name for machine in new), "api"]
    try:
        chosen = ports.choose(wanted, {})
    except UserError as error:
        return Check("ports", False, error.message, error.hint)
    return Check("ports", True, f"{len(chosen)} free from {min(chosen.values())} on 127.0.0.1")
