"""The record of what add-ons consist of, kept in the cluster: what a release no longer has is deleted by it.

It is a ConfigMap with an entry for each object. Masters write it beside each other, so each adds and removes entries
and never replaces the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from agent.api import MANAGER, MERGE, Api, ApiError

PATH = "/api/v1/namespaces/kube-system/configmaps/anywhere-addons"
EMPTY = """\
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "anywhere-addons", "namespace": "kube-system"}}
"""
# Deleted first, since the API server would go on asking a service that is gone.
FIRST = ("apiservices", "mutatingwebhookconfigurations", "validatingwebhookconfigurations")
# Never deleted: what users made in them would go with them.
KEPT = ("customresourcedefinitions", "namespaces")


def add(api: Api, paths: Iterable[str]) -> None:
    """Record objects, by their paths in the API; before they are made, as one without an entry would stay for ever."""
    api.apply([(PATH, EMPTY)])
    _enter(api, {_key(path): path for path in paths})


def prune(api: Api, wanted: Iterable[str]) -> None:
    """Delete every recorded object but those at the `wanted` paths, and remove its entry."""
    kept = {_key(path) for path in wanted}
    recorded = api.call("GET", PATH).get("data", {})
    gone = {key: path for key, path in recorded.items() if key not in kept and _kind(path) not in KEPT}
    for key, path in sorted(gone.items(), key=lambda entry: (_kind(entry[1]) not in FIRST, entry[1])):
        _delete(api, path)
        _enter(api, {key: None})


def _delete(api: Api, path: str) -> None:
    """Delete an object, unless somebody else has made it anew in the place of the one that was applied."""
    try:
        found = api.call("GET", path)
        if _is_ours(found):
            only = {"uid": found["metadata"]["uid"]}
            api.call("DELETE", path, {"preconditions": only, "propagationPolicy": "Background"})
            print(f"deleted {path}: no add-on has it any more", flush=True)
    except ApiError as error:
        if error.status != 404:
            raise


def _is_ours(found: Mapping[str, Any]) -> bool:
    managers = found["metadata"].get("managedFields", ())
    return any((entry["manager"], entry["operation"]) == (MANAGER, "Apply") for entry in managers)


def _enter(api: Api, entries: Mapping[str, str | None]) -> None:
    api.call("PATCH", PATH, {"data": dict(entries)}, MERGE)


def _key(path: str) -> str:
    """What an object is recorded as: the same whichever version of the API it is applied by."""
    _, root, *rest = path.split("/")
    place = rest[1:] if root == "api" else [rest[0], *rest[2:]]
    return hashlib.sha256("/".join(place).encode()).hexdigest()[:32]


def _kind(path: str) -> str:
    """The plural of an object's kind, as its path has it."""
    return path.split("/")[-2]
