"""The record of what add-ons consist of, kept in the cluster: what a release no longer has is deleted by it.

It is a ConfigMap with an entry for each object: its UID, and its path in the API. Masters write it beside each other,
so each adds and removes entries and never replaces the whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from agent.api import MERGE, Api, ApiError

PATH = "/api/v1/namespaces/kube-system/configmaps/anywhere-addons"
EMPTY = """\
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "anywhere-addons", "namespace": "kube-system"}}
"""
# Deleted first, since the API server would go on asking a service that is gone.
FIRST = ("apiservices", "mutatingwebhookconfigurations", "validatingwebhookconfigurations")
ENTRY = re.compile(r"[^ ]+ /apis?(/[^/ ]+){3,}")  # a UID and a path; somebody may have written anything else
# Never deleted: what users put in them would go with them.
KEPT = ("customresourcedefinitions", "namespaces", "persistentvolumeclaims")


def add(api: Api, uids: Mapping[str, str]) -> None:
    """Record objects that were applied: their UIDs by their paths in the API."""
    api.apply([(PATH, EMPTY)])
    _enter(api, {_key(path): f"{uid} {path}" for path, uid in uids.items()})


def prune(api: Api, wanted: Iterable[str], undecided: Iterable[str] = ()) -> None:
    """Delete every recorded object but those at the `wanted` paths, and remove its entry.

    Those of the groups of the API with paths as `undecided` stay: the API did not say what is wanted of them.
    """
    kept, groups = {_key(path) for path in wanted}, {_group(path) for path in undecided}
    entries = api.call("GET", PATH).get("data", {})
    found = [entry.split(" ") for key, entry in entries.items() if key not in kept and ENTRY.fullmatch(entry)]
    gone = [(uid, path) for uid, path in found if _group(path) not in groups]
    for uid, path in sorted(gone, key=lambda entry: (_kind(entry[1]) not in FIRST, entry[1])):
        if _kind(path) not in KEPT:
            _delete(api, path, uid)
        _enter(api, {_key(path): None})


def _delete(api: Api, path: str, uid: str) -> None:
    """Delete an object that was applied, and not one that somebody has made in its place."""
    try:
        api.call("DELETE", path, {"preconditions": {"uid": uid}, "propagationPolicy": "Background"})
    except ApiError as error:
        if error.status not in (404, 409):  # it is gone, or another
            raise
    else:
        print(f"deleted {path}: no add-on has it any more", flush=True)


def _enter(api: Api, entries: Mapping[str, str | None]) -> None:
    api.call("PATCH", PATH, {"data": dict(entries)}, MERGE)


def _key(path: str) -> str:
    """What an object is recorded as: the same whichever version of the API it is applied by."""
    _, root, *rest = path.split("/")
    place = rest[1:] if root == "api" else [rest[0], *rest[2:]]
    return hashlib.sha256("/".join(place).encode()).hexdigest()[:32]


def _group(path: str) -> str:
    """The group of the API that a path is in; "" for that of pods and Services."""
    _, root, group, *_ = path.split("/")
    return group if root == "apis" else ""


def _kind(path: str) -> str:
    """The plural of an object's kind, as its path has it."""
    return path.split("/")[-2]
