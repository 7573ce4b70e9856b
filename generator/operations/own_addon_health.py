"""Whether the add-ons that a definition brings are applied, and what they make run is available: asked of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from generator import addons
from generator.kubernetes import Client
from generator.operations import lock_file, own_addon_checks
from generator.operations.own_addon_checks import Told
from generator.operations.pod_watch import PodWatch
from generator.operations.project import Project
from generator.workloads import Job, Workload, daemon_set_of, deployment_of, job_of, stateful_set_of
from providers import Check

TOLD = "/api/v1/namespaces/kube-system/configmaps/anywhere-own-addons"  # see modules/node/agent/own_addons.py


class OwnAddons:
    """What is asked of them, look by look. `states` is what the last look saw of their progress.

    `refused` are those of which the API refused something.
    """

    def __init__(self, project: Project, client: Client, pods: PodWatch) -> None:
        self.states: tuple[Hashable, ...] = ()
        self.refused: tuple[str, ...] = ()
        self._client, self._pods = client, pods
        lock = lock_file.known(project)
        self._wanted = addons.own(project.definition, lock) if lock else []
        of_lock = project.definition.own_addons if lock else ()
        self._workloads = [workload for addon in of_lock for workload in addon.workloads()]

    def checks(self) -> list[Check]:
        """Every check, () where there are no such add-ons."""
        if not self._wanted:
            return []
        told = self._told()
        applied = [own_addon_checks.addon(wanted, told.get(wanted["name"])) for wanted in self._wanted]
        self.refused = tuple(name for name, word in told.items() if word.problems)
        self.states = tuple(told.items())
        checks = [check for namespace in self._namespaces() for check in self._check(namespace)]
        return [*applied, *checks]

    def _namespaces(self) -> list[str]:
        return list(dict.fromkeys(namespace for _, namespace, _ in self._workloads))

    def _told(self) -> dict[str, Told]:
        """What the masters say of each add-on."""
        found = self._client.find(TOLD) or {}
        return {name: word for name, text in (found.get("data") or {}).items() if (word := _word(text))}

    def _made(self, namespace: str) -> dict[tuple[str, str], Workload | Job]:
        """What is there in a namespace, by kind and name, of the kinds that are looked for."""
        kinds = {kind for kind, within, _ in self._workloads if within == namespace}
        return {
            (kind, made.name): made
            for kind in sorted(kinds)
            for made in map(_READ[kind], self._client.items(_COLLECTIONS[kind].format(namespace)))
        }

    def _check(self, namespace: str) -> Iterator[Check]:
        """The checks of what is to run in a namespace."""
        made, pods = self._made(namespace), self._pods.pods(namespace)
        last = self._pods.last_lines(namespace, pods)
        self.states += tuple(map(_state, made.values()))
        for kind, within, name in self._workloads:
            if within == namespace:
                yield own_addon_checks.workload(kind, namespace, name, made.get((kind, name)), pods, last)


def _daemon_set_of(item: Mapping[str, Any]) -> Workload:
    """It is to run where its controller says: on which nodes that is, is its author's choice."""
    return daemon_set_of(item, item.get("status", {}).get("desiredNumberScheduled", 0))


_READ: Mapping[str, Callable[[Mapping[str, Any]], Workload | Job]] = {
    "Deployment": deployment_of,
    "DaemonSet": _daemon_set_of,
    "StatefulSet": stateful_set_of,
    "Job": job_of,
}
_COLLECTIONS = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


def _state(made: Workload | Job) -> Hashable:
    if isinstance(made, Job):
        return made.namespace, made.name, made.active, made.end
    return made.namespace, made.kind, made.name, made.processed, made.made, made.updated, made.available


def _word(text: str) -> Told | None:
    """What a master wrote; None where somebody wrote something else."""
    try:
        said = json.loads(text)
        return Told(str(said["version"]), tuple(map(str, said["problems"])), int(said["more"]))
    except (ValueError, TypeError, KeyError):
        return None
