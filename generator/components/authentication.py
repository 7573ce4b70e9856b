"""Who may log in to the API beside those with a certificate: its AuthenticationConfiguration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from generator.components.container import PKI, Container

FILE = "authentication.yaml"
# Whatever an issuer says: nobody becomes a part of Kubernetes or of anywhere by a token. RBAC cannot take back what
# the group system:masters may do.
_KEPT = "^(system:|anywhere[:-])"
GUARDS = (
    {"expression": f"!user.username.matches('{_KEPT}')", "message": "the name is kept for parts of the cluster"},
    {
        "expression": f"user.groups.all(group, !group.matches('{_KEPT}'))",
        "message": "a group is kept for parts of the cluster",
    },
)


def authenticating(apiserver: Container, authenticators: Sequence[Mapping[str, Any]]) -> Container:
    """The API server that also takes the tokens of these issuers. Anonymous requests stay as they are: probes are."""
    if not authenticators:
        return apiserver
    return replace(
        apiserver,
        files={**apiserver.files, FILE: configuration(authenticators)},
        command=(*apiserver.command, f"--authentication-config={PKI}/{apiserver.component}/{FILE}"),
    )


def configuration(authenticators: Sequence[Mapping[str, Any]]) -> str:
    """AuthenticationConfiguration, apiserver.config.k8s.io/v1 (JSON is YAML)."""
    content = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [
            {**each, "userValidationRules": [*each.get("userValidationRules", ()), *GUARDS]} for each in authenticators
        ],
    }
    return json.dumps(content, indent=2) + "\n"
