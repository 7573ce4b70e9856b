"""Who may push to and pull from the registry in the cluster, beside its machines.

They are the entries of a Secret, each with the SHA-256 of a password. It is no part of the add-on's manifests, which
masters apply again and again; the pod has it as files. Passwords are made here, of so much chance that nothing slower
than SHA-256 is needed: see modules/images/registry/access.go.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from secrets import token_hex

from generator import addon_catalog
from generator.errors import UserError
from generator.kubernetes import Client
from generator.operations.project import Project

ADDON = "registry"
SECRETS = "/api/v1/namespaces/kube-system/secrets"
PODS = "/api/v1/namespaces/kube-system/pods"
OF_REGISTRY = "labelSelector=k8s-app%3Dregistry"
USERS = "registry-users"
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
BYTES = 20  # of chance in a password
REVISION = "anywhere/registry-users"  # an annotation of pods, which nobody reads


def reference(project: Project) -> str:
    """HOST:PORT that references to the registry's images begin with; UserError where the cluster has no registry."""
    if ADDON not in project.definition.addons:
        raise UserError(
            f"{project.definition.path} has no registry in the cluster.",
            "Add registry and storage to spec.addons, and apply.",
        )
    return addon_catalog.known()[ADDON].pulled_as


def check(name: str) -> None:
    """UserError where a user cannot have that name."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is not a name for a user of the registry.",
            "Use 1 to 63 lower-case letters, digits, dashes and dots; the first and last are a letter or a digit.",
        )


def add(client: Client, name: str) -> str:
    """A new password for a user, who may be new too."""
    check(name)
    password = token_hex(BYTES)
    client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": USERS}})
    kept = sha256(password.encode()).hexdigest()
    client.patch(f"{SECRETS}/{USERS}", {"data": {name: b64encode(kept.encode()).decode()}})
    _tell(client)
    return password


def remove(client: Client, name: str) -> None:
    """Take a user's password away; UserError where there is no such user."""
    check(name)
    if name not in (known := names(client)):
        raise UserError(f"The registry has no user {name!r}.", f"There are: {', '.join(known) or 'none'}.")
    client.patch(f"{SECRETS}/{USERS}", {"data": {name: None}})
    _tell(client)


def names(client: Client) -> tuple[str, ...]:
    """Every user, by name."""
    found = client.find(f"{SECRETS}/{USERS}")
    return tuple(sorted((found or {}).get("data") or ()))


def _tell(client: Client) -> None:
    """Have the kubelet look after the files of the pod at once: by itself it does so every minute or two."""
    revision = client.get(f"{SECRETS}/{USERS}")["metadata"]["resourceVersion"]
    for pod in client.get(f"{PODS}?{OF_REGISTRY}")["items"]:
        path = f"{PODS}/{pod['metadata']['name']}"
        client.patch(path, {"metadata": {"annotations": {REVISION: revision}}})
