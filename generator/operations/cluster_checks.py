"""What is said of nodes, add-ons and DNS, from what the API and the consoles say of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from generator import status
from generator.kubernetes import Node
from generator.operations import release_progress
from generator.operations.release_progress import ReleaseProgress
from generator.topology import Topology, taint_key
from generator.workloads import (
    CRASHES,
    NAMESPACE,
    NO_IMAGE,
    NOT_CREATED,
    RESTARTED,
    UNSCHEDULED,
    Pod,
    Workload,
    pods_of,
)
from providers import Check, Observed

DNS = "cluster DNS"
OWN_TAINTS = "node.kubernetes.io/"  # what Kubernetes itself keeps pods away by
CORDON = "node.kubernetes.io/unschedulable"
_REMEDIES = {
    CRASHES: "`kubectl --namespace SPACE logs POD --previous` says more.",
    RESTARTED: "`kubectl --namespace SPACE logs POD --previous` says why.",
    NO_IMAGE: "`anywhere ssh NODE -- sudo ctr --namespace k8s.io images ls` shows what the machine has.",
    NOT_CREATED: "`kubectl --namespace SPACE describe pod POD` says more.",
    UNSCHEDULED: "`kubectl describe nodes` says what is free; add a worker, or make room.",
    "": "`kubectl --namespace SPACE describe pod POD` says what it waits for.",
}
_CONTROLLER = "`anywhere ssh master1 -- sudo docker logs --tail 50 kube-controller-manager` says why."


def failing(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those that must hold and do not."""
    return tuple(check for check in checks if check.needed and not check.ok)


def schedulable(nodes: Iterable[Node], topology: Topology) -> Iterator[Check]:
    """A failed check for each node that takes no pods, where neither the definition nor a person wants that."""
    wanted = {taint_key(taint) for machine in topology.machines for taint in machine.taints}
    for node in nodes:
        own = {taint_key(t) for t in node.taints if t.startswith(OWN_TAINTS) and not t.startswith(CORDON)}
        if node.ready and (unwanted := sorted(own - wanted)):
            said = f"Its node takes none: {', '.join(f'{key} ({effect})' for key, effect in unwanted)}."
            hint = f"`kubectl describe node {node.name}` says why."
            yield Check(f"pods on {node.name}", False, said, hint, needed=True)


def rollout(progress: ReleaseProgress | None) -> tuple[Check, ...]:
    """A failed check where machines or nodes still lack something of the release, and why; () where nothing does."""
    if progress is None or not (lines := release_progress.lacking(progress)):
        return ()
    detail = " ".join(f"{line.rstrip('.')}." for line in lines)
    return (Check("rollout", False, detail, "`anywhere rollout status` says more.", needed=True),)


def addon(kind: str, name: str, workloads: Iterable[Workload], pods: Sequence[Pod], last: Mapping[str, str]) -> Check:
    """The check of one add-on; `last` has the last log line of containers that crash, by pod."""
    workload = next((w for w in workloads if (w.kind, w.name) == (kind, name)), None)
    if workload is None:
        hint = "`anywhere ssh master1 -- sudo journalctl -u anywhere-converge` says why."
        return Check(name, False, f"{kind} {name} is missing.", hint, needed=True)
    if workload.processed and kind == "Deployment" and workload.wanted == 0:
        hint = f"`kubectl --namespace {NAMESPACE} scale deployment {name} --replicas=2` brings it back."
        return Check(name, False, "It is scaled to 0 pods.", hint, needed=True)
    return rolled_out(name, workload, pods, last)


def rolled_out(name: str, workload: Workload, pods: Sequence[Pod], last: Mapping[str, str]) -> Check:
    """The check of what makes pods run, whose own are among `pods`; it is called `name`."""
    if not workload.processed:
        return Check(name, False, "The controller manager has not processed it yet.", _CONTROLLER, needed=True)
    own = pods_of(workload, pods)
    available = f"{workload.available} of {workload.wanted} pods available"
    if workload.rolled_out and not any(pod.trouble == RESTARTED for pod in own):
        return Check(name, True, available)
    if late := [pod for pod in own if pod.trouble or not pod.ready]:
        worst = max(late, key=lambda pod: bool(pod.trouble))
        words, hint = f"{available}. {said(worst, last)}", _remedy(worst, workload.namespace)
    elif len(own) < workload.wanted:
        words, hint = f"{available}, {len(own)} made. {workload.reason}".rstrip(), _CONTROLLER
    else:
        words, hint = f"{available}, {workload.updated} of its current version.", ""
    return Check(name, False, words, hint, needed=True)


def dns(machines: Iterable[Observed]) -> Check:
    """Whether the cluster's DNS answers the machines that asked it."""
    said = {machine.name: status.stages(machine.console).dns for machine in machines if machine.running}
    asked = {name: answer for name, answer in said.items() if answer}
    silent = {name: answer for name, answer in asked.items() if answer != "ok"}
    if not asked:
        return Check(DNS, True, "no machine has reported on it")
    if not silent:
        return Check(DNS, True, f"answers {len(asked)} machine{'' if len(asked) == 1 else 's'}")
    detail = f"It does not answer {', '.join(f'{name} ({answer})' for name, answer in sorted(silent.items()))}."
    hint = f"If its pods run, `anywhere ssh {min(silent)} -- sudo docker logs --tail 50 kube-proxy` may say why."
    return Check(DNS, False, detail, hint, needed=True)


def dns_behind_policy(check: Check) -> Check:
    """`check` of DNS where a NetworkPolicy may let pods alone ask, so that silence towards machines tells nothing."""
    if check.ok:
        return check
    return replace(check, hint=f"A NetworkPolicy in {NAMESPACE} may refuse machines; ask from a pod.", needed=False)


def said(pod: Pod, last: Mapping[str, str]) -> str:
    """What is wrong with a pod; `last` has the last log line of those that crash."""
    if not pod.trouble:
        return f"Pod {pod.name} is starting."
    words = f' Its last log line: "{last[pod.name]}".' if last.get(pod.name) else ""
    return f"Pod {pod.name} {pod.trouble}: {pod.detail.rstrip('.')}.{words}"


def _remedy(pod: Pod, namespace: str) -> str:
    remedy = _REMEDIES[pod.trouble].replace("SPACE", namespace)
    return remedy.replace("POD", pod.name).replace("NODE", pod.node or "MACHINE")
