"""The cluster's secrets: created on first use, renewed before they expire, handed to Terraform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from generator import agekey, pki, status, store
from generator.operations.project import Project
from generator.progress import Progress
from generator.status import Expiry
from generator.store import Secrets


def ensure(project: Project, progress: Progress, token_age: timedelta = pki.TOKEN_AGE) -> Secrets:
    """The cluster's secrets, created or renewed where needed; warns where that created an age key.

    `token_age` is as in `pki.ensure`.
    """
    now, definition = datetime.now(UTC), project.definition

    def change(known: Secrets) -> Secrets:
        return pki.ensure(known, now, definition.network.services, definition.api_names, token_age)

    key = agekey.default_path()
    existed = key.exists()
    secrets = store.update(project.definition.path, project.name, change)
    if key.exists() and not existed:
        progress.note(f"warning: {key} was made; it alone opens {store.path_beside(project.definition.path)}.")
        progress.note("warning: Keep a copy of that key in a safe place: without it the cluster's secrets are lost.")
    return secrets


def values(documents: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Component -> its secret document as one JSON string, as the Terraform variable `secrets` takes it."""
    return {name: json.dumps(dict(document), sort_keys=True) for name, document in documents.items()}


def expiries(project: Project) -> tuple[Expiry, ...]:
    """When the cluster's certificates expire, the first one first; () before the first apply."""
    secrets = store.read(project.definition.path, project.name)
    return status.expiries(pki.expiries(secrets), datetime.now(UTC))
