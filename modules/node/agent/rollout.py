"""The rollout to workers: who has their turn, and how far the release is. It runs on every master; one of them acts."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from agent import containers, cordon, debian, etcd, halts, host, kubectl, pool_settings, progress, waves
from agent.api import MERGE, Api, ApiError
from agent.drain import NODES
from agent.etcd import Etcd
from agent.halts import Halt
from agent.host import Host, NodeError
from agent.progress import Record
from agent.retire import RETIRED
from agent.turns import DEBIAN
from agent.turns.control_plane import held
from agent.turns.worker import EMPTIED, HALTED, TURN
from agent.waves import Worker

LEADER, LEASE_SECONDS = "/anywhere/rollout-leader", 60
LOOK_SECONDS, CALM_SECONDS = 5, 30  # between looks while something is under way, and while nothing is
STATUS = "/api/v1/namespaces/kube-system/configmaps/anywhere-rollout"
OF_WORKERS = ("kubelet", "kube-proxy", "network", DEBIAN)
AT_ONCE = 16  # workers that are drained beside each other: each takes a process of this master
RESUME = "anywhere/resume"  # an annotation of it: a person wants what was put back to be tried again


class Controller:
    """One master's part, for as long as it leads. `document` is the file of the release."""

    def __init__(self, document: Path, client: Etcd, api: Api) -> None:
        self._document, self._etcd, self._api = document, client, api
        self._said = ""
        self._stuck: dict[str, str] = {}  # node -> why it could not be drained
        self._tried: dict[str, float] = {}  # node -> when it was last drained for a taint, monotonic

    def look(self) -> bool:
        """Do what is to be done now; whether something is under way."""
        text = self._document.read_text()
        release, digest = host.release(text), hashlib.sha256(text.encode()).hexdigest()
        nodes = self._api.call("GET", NODES)["items"]
        self._resume_if_told(nodes)
        workers = [node for node in nodes if node["metadata"]["name"].startswith("worker-")]
        self._collect_halts(workers)
        records = progress.read(self._etcd)
        late = progress.late(records, digest, wanted(release))
        halted = self._halted(release, digest)
        if not late:
            self._reopen(nodes, digest)
        known = [waves.worker_of(node) for node in workers]
        if not late and not halted:
            self._give_turns(release, digest, workers, known)
            self._let_boot(release, digest, waves.booting(known, digest))
        # After turns, as those of a thousand nodes take a while; before it is told that nothing is left to do.
        untainted = [] if late else self._label(release, digest, nodes)
        left = sorted({worker.name for worker in known if worker.release != digest}.union(untainted))
        self._stuck = {name: why for name, why in self._stuck.items() if name in left}
        retired = sorted(name for name, record in records.items() if record == Record(digest, frozenset({RETIRED})))
        self._tell(release, digest, [*late, *left], halted, retired)
        return bool(late or left)

    def _halted(self, release: Mapping[str, Any], digest: str) -> list[Halt]:
        """What was put back, of what the release still asks for."""
        asked = {
            (spec["component"], containers.identity_of(release, spec))
            for role in release["roles"].values()
            for spec in role["containers"]
        }
        asked.add((DEBIAN, debian.identity_of(release)))
        known = halts.read(self._etcd).values()
        return [
            halt
            for halt in known
            if (halt.component, halt.identity) in asked or (halt.component, halt.release) == ("network", digest)
        ]

    def _collect_halts(self, workers: Iterable[Mapping[str, Any]]) -> None:
        """Record what workers put back where all machines look: they cannot write there themselves."""
        for node in workers:
            halt = _halt_of(node)
            if halt and halts.read(self._etcd).get(halt.component) != halt:
                halts.record(self._etcd, halt)

    def _resume_if_told(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        try:
            status = self._api.call("GET", STATUS)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        if RESUME not in status["metadata"].get("annotations", {}):
            return
        for component in halts.read(self._etcd):
            halts.forget(self._etcd, component)
        for node in nodes:
            if HALTED in node["metadata"].get("annotations", {}):
                self._annotate(node["metadata"]["name"], {HALTED: None})
                del node["metadata"]["annotations"][HALTED]
        self._api.call("PATCH", STATUS, {"metadata": {"annotations": {RESUME: None}}}, MERGE)

    def _reopen(self, nodes: Iterable[Mapping[str, Any]], digest: str) -> None:
        """Bring pods back to nodes that were emptied for the release, which masters run by now."""
        for node in nodes:
            if _runs(node, digest) and cordon.is_ready(node) and cordon.is_cordoned(node):
                cordon.reopen(self._api, node["metadata"]["name"])

    def _label(self, release: Mapping[str, Any], digest: str, nodes: Iterable[Mapping[str, Any]]) -> list[str]:
        """Bring labels and taints to the nodes; one that was changed by this look has its own with the next.

        A taint that evicts pods reaches one node per look. The names of the nodes that still lack one are returned.
        """
        lacking, due = [], {}
        for node in nodes:
            name = node["metadata"]["name"]
            settings = release["groups"].get(pool_settings.group(node, release["groups"]))
            if settings and cordon.is_ready(node) and pool_settings.evicts(node, settings):
                lacking.append(name)
                if _runs(node, digest) and not cordon.is_cordoned(node):  # else it stays empty until its turn is over
                    due[name] = settings
            elif settings:
                pool_settings.ensure(self._api, node, settings)
        if due:
            # The one that was tried the longest ago, so that one which cannot be drained holds up no other.
            name = min(due, key=lambda name: (self._tried.get(name, 0.0), name))
            self._taint(release, name, due[name])
        return lacking

    def _taint(self, release: Mapping[str, Any], name: str, settings: Mapping[str, Any]) -> None:
        """Drain a node before its new taint would evict all pods at once, disruption budgets or not."""
        self._tried[name] = time.monotonic()
        with self._noting_stuck(name):
            cordon.empty(self._api, release, name)
            try:
                pool_settings.ensure(self._api, self._api.call("GET", f"{NODES}/{name}"), settings)
            finally:
                cordon.reopen(self._api, name)

    def _give_turns(
        self, release: Mapping[str, Any], digest: str, nodes: list[Mapping[str, Any]], workers: list[Worker]
    ) -> None:
        wave = waves.following(workers, digest, release["rollout"]["wave"])
        if not wave:
            return
        by_name = {node["metadata"]["name"]: node for node in nodes}
        with ThreadPoolExecutor(max_workers=min(len(wave), AT_ONCE)) as pool:
            list(pool.map(lambda name: self._give(release, digest, by_name[name]), wave))

    def _give(self, release: Mapping[str, Any], digest: str, node: Mapping[str, Any]) -> None:
        """Give one worker its turn; its pods move first where the kubelet's minor version changes."""
        name = node["metadata"]["name"]
        with self._noting_stuck(name):
            if cordon.is_due(node, release):
                cordon.empty(self._api, release, name)
            self._annotate(name, {TURN: digest})

    def _let_boot(self, release: Mapping[str, Any], digest: str, name: str) -> None:
        """Move the pods of a worker whose packages take a boot, and tell it."""
        if not name:
            return
        with self._noting_stuck(name):
            cordon.empty(self._api, release, name)
            self._annotate(name, {EMPTIED: digest})

    @contextmanager
    def _noting_stuck(self, name: str) -> Iterator[None]:
        """Tell why a node could not be drained, until the next attempt."""
        self._stuck.pop(name, None)
        try:
            yield
        except NodeError as error:
            self._stuck[name] = str(error)

    def _annotate(self, name: str, annotations: Mapping[str, str | None]) -> None:
        self._api.call("PATCH", f"{NODES}/{name}", {"metadata": {"annotations": dict(annotations)}}, MERGE)

    def _tell(
        self, release: Mapping[str, Any], digest: str, left: list[str], halted: list[Halt], retired: list[str]
    ) -> None:
        """Write how far the release is into the cluster, where `anywhere` reads it."""
        status = {
            "release": digest[:12],
            "kubernetes": release["kubernetes"],
            "etcd": self._etcd.cluster(),
            "members": sorted(member.name for member in self._etcd.members()),
            "left": left,
            "retired": retired,
            "stuck": self._stuck,
            "halted": [{"machine": h.machine, "component": h.component, "reason": h.reason} for h in halted],
        }
        text = json.dumps(status, sort_keys=True)
        if text != self._said:
            name = {"name": "anywhere-rollout", "namespace": "kube-system"}
            content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": {"status": text}}
            self._api.apply([(STATUS, json.dumps(content))])
            print(text, flush=True)
            self._said = text


def _runs(node: Mapping[str, Any], digest: str) -> bool:
    """Whether a machine runs the release, where all of the control plane do."""
    worker = waves.worker_of(node)
    return worker.release == digest or not worker.name.startswith("worker-")


def _halt_of(node: Mapping[str, Any]) -> Halt | None:
    """What a worker says that it put back. It may say what it likes, so it is only believed of what workers have."""
    metadata = node["metadata"]
    try:
        said = json.loads(metadata.get("annotations", {}).get(HALTED, "null"))
        halt = Halt(said["component"], said["identity"], said["release"], metadata["name"], said["reason"])
    except (ValueError, TypeError, KeyError):
        return None
    texts = all(isinstance(text, str) for text in (halt.component, halt.identity, halt.release, halt.reason))
    return halt if texts and halt.component in OF_WORKERS else None


def wanted(release: Mapping[str, Any]) -> dict[str, set[str]]:
    """All components of the control plane, by machine."""
    return {
        name: {DEBIAN, *(spec["component"] for spec in release["roles"][machine["role"]]["containers"])}
        for name, machine in release["control_plane"].items()
    }


def lead(document: Path, me: Host) -> None:
    """Act for as long as this master leads; returns where another does."""
    client = etcd.connect(host.release(document.read_text()), me.role, me.member)
    lease = client.claim(LEADER, me.name, LEASE_SECONDS)
    if lease is None:
        return
    with ExitStack() as stack:
        stack.enter_context(held(client, lease))
        controller = Controller(document, client, kubectl.api())
        while client.get(LEADER) == me.name:
            time.sleep(LOOK_SECONDS if controller.look() else CALM_SECONDS)


def main() -> None:
    """Lead, or wait to lead, until stopped; the argument is the file of the release."""
    document = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the lease is released, and another leads at once
    me = host.read(host.release(document.read_text()))
    while True:
        try:
            lead(document, me)
        except (OSError, NodeError, http.client.HTTPException) as error:
            print(f"waiting for the control plane: {error}", flush=True)
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
