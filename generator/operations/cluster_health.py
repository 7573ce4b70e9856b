"""Whether the cluster works, beyond that its machines are Ready: asked of its API."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import closing, suppress
from pathlib import Path

from generator import addons, release
from generator.kubernetes import Client, UnreachableError
from generator.operations import cluster_api, cluster_checks, lock_file, machines, readiness
from generator.operations.leaders import Leaders
from generator.operations.machines import Snapshot
from generator.operations.own_addon_health import OwnAddons
from generator.operations.patience import Patience
from generator.operations.pod_watch import PodWatch
from generator.operations.project import Project
from generator.progress import Progress
from generator.topology import Topology
from generator.workloads import NAMESPACE, Workload, daemon_set_of, deployment_of, lease_of
from providers import Check

LOOKS = 2  # in a row, all of which must find that the cluster works
LEASE_SECONDS = 20.0  # how long a single look waits for leaders to renew their leases
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


class Cluster:
    """What is asked of one cluster, look by look. `states` is what the last look saw of its add-ons' progress."""

    def __init__(self, project: Project, topology: Topology, client: Client) -> None:
        self.states: tuple[Hashable, ...] = ()
        self._topology, self._client, self._leaders = topology, client, Leaders()
        self._addons = _addons(project)
        self._asks_dns = bool(self._addons) and release.dns_question(project.definition) is not None
        self._elects = len(topology.having("kube-scheduler")) > 1
        self._pods = PodWatch(client)
        self._own = OwnAddons(project, client, self._pods)

    def checks(self, now: Snapshot) -> tuple[Check, ...]:
        """Every check; where the API does not answer, that."""
        try:
            nodes = cluster_checks.schedulable(now.nodes, self._topology)
            addons = (*self._check_addons(now), *self._own.checks(), *self._check_dns(now))
            self.states += self._own.states
            return (*nodes, *cluster_checks.rollout(now.progress), *addons, *self._check_leaders())
        except UnreachableError as error:
            return (_unheard(error),)

    @property
    def refused(self) -> tuple[str, ...]:
        """The add-ons of its own of which the API refused something, when it was last looked at."""
        return self._own.refused

    def wait_for_leases(self) -> None:
        """Look until every leader was seen to renew its lease, for LEASE_SECONDS at most."""
        end = time.monotonic() + LEASE_SECONDS
        while self._elects and not self._leaders.renewed and time.monotonic() < end:
            self._look_at_leases()
            self._client.pause(1)

    def describe(self) -> tuple[Check, ...]:
        """Have the API server prepare what kubectl asks for first; why it does not, () where it did."""
        try:
            self._client.describe_itself()
        except UnreachableError as error:
            return (_unheard(error),)
        return ()

    def _check_addons(self, now: Snapshot) -> list[Check]:
        self.states = ()
        if not self._addons:
            return []
        workloads, pods = self._workloads(now), self._pods.pods(NAMESPACE)
        self.states = tuple((w.name, w.processed, w.made, w.updated, w.available) for w in workloads)
        last = self._pods.last_lines(NAMESPACE, pods)
        return [cluster_checks.addon(kind, name, workloads, pods, last) for kind, name in self._addons]

    def _workloads(self, now: Snapshot) -> list[Workload]:
        kinds, nodes = {kind for kind, _ in self._addons}, sum(node.ready for node in now.nodes)
        found: list[Workload] = []
        if "Deployment" in kinds:
            found += map(deployment_of, self._client.items(f"{APPS}/deployments"))
        if "DaemonSet" in kinds:
            found += (daemon_set_of(item, nodes) for item in self._client.items(f"{APPS}/daemonsets"))
        return found

    def _check_dns(self, now: Snapshot) -> list[Check]:
        if not self._asks_dns:
            return []
        check = cluster_checks.dns(now.machines)
        if not check.ok and self._client.items(POLICIES):
            check = cluster_checks.dns_behind_policy(check)
        return [check]

    def _check_leaders(self) -> tuple[Check, ...]:
        if not self._elects:
            return ()
        self._look_at_leases()
        return self._leaders.checks()

    def _look_at_leases(self) -> None:
        self._leaders.look(map(lease_of, self._client.items(LEASES)), time.monotonic())


def wait(project: Project, topology: Topology, kubeconfig: Path, progress: Progress, timeout: float) -> Snapshot:
    """Wait until every machine is Ready and the cluster works, in LOOKS looks in a row; the last snapshot.

    UserError `timeout` seconds after the last progress, and where more time makes no sense: see `Patience`.
    """
    patience, good, described = Patience(timeout, project.provider.api_remedy), 0, False
    with closing(cluster_api.client(kubeconfig)) as client:
        cluster = Cluster(project, topology, client)
        while True:
            now = machines.look(project, topology, client)
            late = readiness.unready(now)
            failing = () if late else cluster_checks.failing(cluster.checks(now))
            if not (late or failing or described):
                progress.board(["API: it prepares what kubectl asks for first"])
                failing = cluster.describe()
                described = not failing
            progress.board([*map(readiness.line, late), *(f"{c.subject}: {c.detail}" for c in failing)])
            good = 0 if late or failing else good + 1
            if good == LOOKS:
                return now
            patience.spend(now, late, failing, cluster.states, cluster.refused)
            client.pause(project.provider.poll)


def once(project: Project, topology: Topology, warn: Callable[[str], None]) -> tuple[Snapshot, tuple[Check, ...]]:
    """The machines and the checks as they are now; no checks where the API does not answer, of which `warn` is told."""
    if not project.kubeconfig.is_file():
        now = machines.look(project, topology, None)
        return now, (_unasked(project),) if now.machines else ()
    with closing(cluster_api.client(project.kubeconfig)) as client:
        now = machines.look(project, topology, client)
        if now.unheard:
            warn(now.unheard)
        if not now.nodes:
            return now, ()
        cluster = Cluster(project, topology, client)
        with suppress(UnreachableError):  # the checks will say so
            cluster.wait_for_leases()
        return now, cluster.checks(now)


def _unasked(project: Project) -> Check:
    """The check that stands for all others where there is no kubeconfig to ask the API with."""
    hint = "`anywhere kubeconfig` writes it where the cluster's Terraform state is, and `anywhere apply` does."
    return Check("API", False, f"It was not asked, as there is no {project.kubeconfig}.", hint, needed=True)


def _unheard(error: UnreachableError) -> Check:
    return Check("API", False, error.message, error.hint, needed=True)


def _addons(project: Project) -> tuple[tuple[str, str], ...]:
    """Kind and name of each workload that the cluster is to have, none where nothing is locked yet."""
    lock = lock_file.known(project)
    return addons.workloads(project.definition, lock) if lock else ()
