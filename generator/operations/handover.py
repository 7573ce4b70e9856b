"""What is handed over in the cluster itself once every machine has a phase of a rotation, and before the next one.

Each of these may be done again: a rotation that was interrupted does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generator import addons, pki
from generator.errors import UserError
from generator.kubernetes import Client
from generator.operations import cluster_health
from generator.operations.project import Project
from generator.operations.workspace import Workspace
from generator.pki import rotation
from generator.progress import Progress
from generator.store import Phase, Secrets
from generator.workloads import NAMESPACE

SECRETS = "/api/v1/secrets"
PUBLISHED = f"/api/v1/namespaces/{NAMESPACE}/configmaps/kube-root-ca.crt"  # what pods are given to trust
TRUST = "anywhere/trust"  # an annotation of pods: the newest authority when they were made


@dataclass(frozen=True, slots=True)
class Handover:
    """What the handing over is of: a cluster, its API, and secrets that every machine has."""

    workspace: Workspace
    client: Client
    secrets: Secrets
    progress: Progress
    timeout: float

    @property
    def project(self) -> Project:
        return self.workspace.project


def run(handover: Handover) -> None:
    """Do what the phase of the rotation asks for, if anything. UserError where it cannot be done."""
    under_way = handover.secrets.rotation
    if under_way and (do := _ACTIONS.get((under_way.subject, under_way.phase))):
        do(handover)


def _restart_addons(handover: Handover) -> None:
    """Have the add-ons that are pods start again, with an authority that they read once, when they start."""
    newest = rotation.trusted(handover.secrets, "kubernetes")[-1].crt
    with handover.progress.phase("restart the add-ons, which read once whom to trust"):
        _wait_published(handover, newest)
        annotations = {TRUST: pki.fingerprint(newest)}
        change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        for kind, name in addons.workloads(handover.project.definition, handover.workspace.lock):
            handover.client.patch(f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind.lower()}s/{name}", change)
    project, topology = handover.project, handover.workspace.topology
    cluster_health.wait(project, topology, project.kubeconfig, handover.progress, handover.timeout)


def _wait_published(handover: Handover, authority: str) -> None:
    """Wait until pods that start now are given `authority`, which the controller manager sees to."""
    end = time.monotonic() + handover.timeout
    while authority not in (handover.client.find(PUBLISHED) or {"data": {}})["data"].get("ca.crt", ""):
        if time.monotonic() > end:
            raise UserError(
                f"The controller manager has not published the new authority within {handover.timeout:.0f} s.",
                "`anywhere doctor` says what is wrong; the same command goes on from here.",
            )
        handover.client.pause(handover.project.provider.poll)


def _rewrite_secrets(handover: Handover) -> None:
    """Write every Secret as it is: API servers store one again that they would encrypt with another key by now."""
    with handover.progress.phase("write every Secret again, encrypted with the new key"):
        for secret in handover.client.stored(SECRETS):
            metadata = secret["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
            handover.client.replace(path, {"apiVersion": "v1", "kind": "Secret", **secret})


def _forget_token(handover: Handover) -> None:
    """The masters renew only the present token; the one before would be good for up to a day."""
    under_way = handover.secrets.rotation
    if under_way and under_way.key:
        handover.client.delete(f"/api/v1/namespaces/{NAMESPACE}/secrets/bootstrap-token-{under_way.key}")


_ACTIONS: Mapping[tuple[str, Phase], Callable[[Handover], None]] = {
    (rotation.KUBERNETES, Phase.TRUST): _restart_addons,
    (rotation.ENCRYPTION, Phase.ISSUE): _rewrite_secrets,
    (rotation.TOKEN, Phase.ISSUE): _forget_token,
}
