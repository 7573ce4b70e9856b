"""When the credentials of a cluster end: those in its store, and those that its machines and its API have."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from generator import status
from generator.kubernetes import Node, UnreachableError
from generator.operations import cluster_api, cluster_secrets
from generator.operations.project import Project
from generator.pki.documents import BOOTSTRAP_GROUP
from generator.status import Expiry
from generator.workloads import NAMESPACE

TOKENS = f"/api/v1/namespaces/{NAMESPACE}/secrets?fieldSelector=type%3Dbootstrap.kubernetes.io/token"


@dataclass(frozen=True, slots=True)
class TokenEnd:
    """When the bootstrap token ends, which masters renew: in how many whole hours. `at` is None where there is none."""

    at: datetime | None = None
    hours: int = 0


@dataclass(frozen=True, slots=True)
class Expiries:
    """The certificates in the store and those of kubelets, as far as their machines said, the soonest to end first.

    `token` is None where the API could not be asked.
    """

    certificates: tuple[Expiry, ...]
    kubelets: tuple[Expiry, ...] = ()
    token: TokenEnd | None = None


def look(project: Project, nodes: Sequence[Node]) -> Expiries:
    """What ends when; `nodes` are those of the API, none where it did not answer."""
    now = datetime.now(UTC)
    told = [(f"{name} of {node.name}", at) for node in nodes for name, at in node.certificates]
    token = _token(project, now) if nodes else None
    return Expiries(cluster_secrets.expiries(project), status.expiries(told, now), token)


def _token(project: Project, now: datetime) -> TokenEnd | None:
    """The cluster's own bootstrap token, the one that lasts longest: people may have made others, for themselves."""
    try:
        with closing(cluster_api.client(project.kubeconfig)) as client:
            ends = [_end(secret["data"]) for secret in client.get(TOKENS)["items"]]
    except UnreachableError:
        return None
    last = max(filter(None, ends), default=None)
    return TokenEnd(last, int((last - now).total_seconds() // 3600)) if last else TokenEnd()


def _end(data: Mapping[str, Any]) -> datetime | None:
    """When a bootstrap token of the cluster's own ends; None for another's."""
    group, end = (base64.b64decode(data.get(key, "")).decode() for key in ("auth-extra-groups", "expiration"))
    return datetime.fromisoformat(end) if group == BOOTSTRAP_GROUP and end else None
