"""Wanted machines compared with observed ones and the API's nodes; why a machine is not Ready. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from generator.kubernetes import Node
from generator.topology import Machine, Topology

STAGES = (
    "boot",
    "fetch",
    "host",
    "images",
    "network",
    "etcd",
    "kube-apiserver",
    "kubelet",
    "kube-proxy",
    "kube-controller-manager",
    "kube-scheduler",
    "addons",
    "debian",
    "ready",
)

_MARK = re.compile(
    r"anywhere: stage=(?P<stage>\S+) t=(?P<t>\d+(?:\.\d+)?)(?: release=(?P<release>\w+))?(?: dns=(?P<dns>\S+))?"
)
_POWER_ON = "anywhere: power-on"  # a target may write it, as what a console had before is of another boot
_WAITING = re.compile(r"anywhere: waiting stage=(?P<stage>\S+) for=(?P<what>[^\r\n]*)")
_FAILED = re.compile(r"anywhere: failed stage=(?P<stage>\S+) reason=(?P<reason>[^\r\n]*)")

_MISSING = "It does not exist. Run `anywhere apply` to create it."
_NOT_MADE = "Its instance group creates it. If it does not, the group's activity log at the cloud says why."
# What to do about a machine whose last word was this stage.
_REMEDIES = {
    "": "It has not begun to boot, or its console cannot be read: `anywhere logs MACHINE` shows what it says.",
    "boot": "It booted, but cloud-init has not started the node's unit: see `anywhere logs MACHINE`.",
    "fetch": "It cannot fetch its documents: `anywhere ssh MACHINE -- systemctl status anywhere-converge`.",
    "host": "Its packages or its settings are not in place: see `anywhere logs MACHINE`.",
    "images": "It is loading images; if that lasts, its disk may be full: `anywhere ssh MACHINE -- df -h`.",
    "network": "Its network driver does not come up: `anywhere ssh MACHINE -- sudo docker ps -a`.",
    "etcd": "etcd is not healthy: `anywhere ssh MACHINE -- sudo docker logs etcd`.",
    "kube-apiserver": "The API server is not ready: `anywhere ssh MACHINE -- sudo docker logs kube-apiserver`.",
    "kubelet": "The kubelet runs, but its node is not Ready: `anywhere ssh MACHINE -- sudo docker logs kubelet`.",
    "debian": "Its packages cannot be updated: `anywhere ssh MACHINE -- sudo journalctl -u anywhere-converge`.",
    "addons": "The add-ons cannot be applied: `anywhere ssh MACHINE -- sudo journalctl -u anywhere-converge`.",
}


class Observation(Protocol):
    """What is read of an observed machine."""

    @property
    def name(self) -> str: ...
    @property
    def running(self) -> bool: ...
    @property
    def console(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def group(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Console:
    """What a serial console tells since the last boot. `marks` are (stage, seconds of uptime), in order.

    `failed` is the stage whose failure is the last word, "" where progress came after it, and `retried` the one that
    failed and was not reached since, though stages before it were. `release` is the one that a machine which is ready
    has converged to, "" before. `dns` is what the cluster's DNS answered to it: "ok", why not,
    or "" where it has not asked. `waiting` is whom it waits for before it goes on, "" where for nobody.
    """

    marks: tuple[tuple[str, float], ...]
    failed: str
    reason: str
    release: str = ""
    dns: str = ""
    waiting: str = ""
    retried: str = ""

    @property
    def stage(self) -> str:
        return self.marks[-1][0] if self.marks else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One machine. `presence` is present, missing or extra; `ready` None where no node is expected.

    `converged` says that it runs what the release asks for, as far as its console can be read.
    """

    machine: str
    role: str
    presence: str
    running: bool
    stage: str
    ready: bool | None
    converged: bool
    version: str
    address: str
    note: str

    @property
    def healthy(self) -> bool:
        return self.presence == "present" and self.running and self.converged and self.ready is not False


@dataclass(frozen=True, slots=True)
class Expiry:
    """A certificate, and in how many whole days it expires (negative: it has)."""

    certificate: str
    at: datetime
    days: int


def stages(console: str) -> Console:
    """Read the stage marks of a serial console, since its last boot."""
    marks: list[tuple[str, float]] = []
    failed = reason = release = dns = waiting = retried = ""
    for line in console.splitlines():
        if _POWER_ON in line:
            marks.clear()
            failed = reason = release = dns = waiting = retried = ""
        elif match := _MARK.search(line):
            if match["stage"] == "boot":
                marks.clear()
            marks.append((match["stage"], float(match["t"])))
            retried = failed or retried
            if not _comes_before(match["stage"], retried):
                reason = retried = ""
            failed, release, dns, waiting = "", match["release"] or "", match["dns"] or "", ""
        elif match := _FAILED.search(line):
            failed, reason = match["stage"], match["reason"].strip()
        elif match := _WAITING.search(line):
            failed, reason, retried, waiting = "", "", "", match["what"].strip()
    return Console(tuple(marks), failed, reason, release, dns, waiting, retried)


def _comes_before(stage: str, other: str) -> bool:
    """Whether a machine that goes through its stages once more is at `stage` before it is at `other` again."""
    return {stage, other} <= set(STAGES) and stage != "boot" and STAGES.index(stage) < STAGES.index(other)


def table(
    topology: Topology, observed: Iterable[Observation], nodes: Iterable[Node] | None, release: str
) -> tuple[Row, ...]:
    """A row for every wanted machine, in the topology's order, then one for every machine nobody asked for.

    `nodes` is None where the API was not asked for them. `release` is the version that machines should have converged
    to, "" where none is known.
    """
    seen = {o.name: o for o in observed}
    by_name = {n.name: n for n in nodes or ()}
    rows = []
    for machine in _named(topology, seen):
        rows.append(_row(machine, seen.pop(machine.name, None), by_name.get(machine.name), release))
    rows += [_extra(seen[name], by_name.get(name)) for name in sorted(seen)]
    return tuple(rows if nodes is not None else map(_without_api, rows))


def _named(topology: Topology, seen: Mapping[str, Observation]) -> Iterator[Machine]:
    """The wanted machines; where the target makes workers by itself, under the names that it gave them.

    A pool may have grown by itself, so all that are seen of its group count as wanted.
    """
    wanted = {machine.name for machine in topology.machines}
    made = {
        group: [o for _, o in sorted(seen.items()) if o.group == group and o.name not in wanted]
        for group in {o.group for o in seen.values() if o.group}
    }
    last = {machine.group: machine for machine in topology.machines}
    for machine in topology.machines:
        others = made.get(machine.group, [])
        if machine.name in seen or not others:
            yield machine
        else:
            yield _as(machine, others.pop(0))
    for group in sorted(made.keys() & last.keys()):
        yield from (_as(last[group], other) for other in made[group])


def _as(machine: Machine, observed: Observation) -> Machine:
    return replace(machine, name=observed.name, address=observed.address)


def diagnose(machine: Machine, observed: Observation | None, node: Node | None) -> str:
    """Why a machine is not Ready and what to do; "" where nothing is wrong."""
    if observed is None:
        return _MISSING if machine.address else _NOT_MADE
    if not observed.running:
        return "It is not running: `anywhere apply` starts it again with its data."
    console = stages(observed.console)
    if stage := console.failed or console.retried:
        remedy, again = _REMEDIES.get(stage, _REMEDIES["kubelet"]), "" if console.failed else ", and is tried again"
        return f"Stage {stage} failed{again}: {console.reason}. {remedy}".replace("MACHINE", machine.name)
    if "kubelet" not in machine.components:
        ok = console.stage == "ready" or not observed.console
        return "" if ok else _REMEDIES.get(console.stage, _REMEDIES[""]).replace("MACHINE", machine.name)
    if node is None:
        return _REMEDIES.get(console.stage, _REMEDIES["kubelet"]).replace("MACHINE", machine.name)
    if not node.ready:
        return f"Its kubelet says: {node.reason}"
    return ""


def expiries(certificates: Iterable[tuple[str, datetime]], now: datetime) -> tuple[Expiry, ...]:
    """Certificates by how soon they expire."""
    rows = [Expiry(name, at, (at - now).days) for name, at in certificates]
    return tuple(sorted(rows, key=lambda row: (row.at, row.certificate)))


def unready(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows that are not as wanted."""
    return tuple(row for row in rows if not row.healthy)


def _row(machine: Machine, observed: Observation | None, node: Node | None, release: str) -> Row:
    console = stages(observed.console) if observed else Console((), "", "")
    converged = not (observed and observed.console) or (console.stage == "ready" and release in ("", console.release))
    behind = _behind(console)
    return Row(
        machine=machine.name,
        role=machine.role,
        presence="present" if observed else "missing",
        running=bool(observed and observed.running),
        stage=console.stage,
        ready=_ready(machine, observed, console, node),
        converged=converged,
        version=node.version if node else "",
        address=machine.address,
        note=diagnose(machine, observed, node) or ("" if converged else behind) or _cordoned(node),
    )


def _without_api(row: Row) -> Row:
    """`row` where nobody asked the API: a machine that reports itself ready may be so, or not."""
    if row.stage != "ready" or not row.running:
        return row
    return replace(row, ready=None, note="" if row.converged else row.note)


def _behind(console: Console) -> str:
    """A remark on a machine that works and does not run the wanted release yet."""
    if console.waiting:
        return f"It waits for {console.waiting}."
    return "It still runs another release; it checks for the new one every 30 s." if console.stage == "ready" else ""


def _cordoned(node: Node | None) -> str:
    """A remark on a machine that may be as wanted."""
    return f"Its node is cordoned: `kubectl uncordon {node.name}` ends that." if node and node.cordoned else ""


def _ready(machine: Machine, observed: Observation | None, console: Console, node: Node | None) -> bool | None:
    """A machine with a kubelet is as ready as its node; one without is as far as its stages."""
    if "kubelet" in machine.components:
        # The API takes a while to notice that a machine has gone.
        return bool(observed and observed.running and node and node.ready)
    return console.stage == "ready" if observed and observed.console else None


def _extra(observed: Observation, node: Node | None) -> Row:
    return Row(
        machine=observed.name,
        role="",
        presence="extra",
        running=observed.running,
        stage=stages(observed.console).stage,
        ready=node.ready if node else None,
        converged=False,
        version=node.version if node else "",
        address=node.address if node else "",
        note="No definition asks for it: `anywhere apply` removes it.",
    )
