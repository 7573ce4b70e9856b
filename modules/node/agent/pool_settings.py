"""Labels and taints of nodes that are there, as the release has them for their group.

Others stay: only what was once set here is removed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from agent.api import MERGE, Api, ApiError
from agent.drain import NODES

SET = "anywhere/set"  # an annotation: the labels, and the taints as key:Effect, that were set here


def group(node: Mapping[str, Any], groups: Iterable[str]) -> str:
    """The group of a node's machine among those of the release, by its name; "" for none."""
    name = node["metadata"]["name"]
    role, pool = name.rstrip("0123456789"), name.rpartition("-")[0]
    return next((each for each in (role, pool) if each in groups), "")


def ensure(api: Api, node: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Make the labels and taints of a node those of its group; whether something was wrong."""
    labels = settings["labels"] | _role(node)
    metadata, taints = node["metadata"], node["spec"].get("taints", [])
    before = json.loads(metadata.get("annotations", {}).get(SET, "{}"))
    wanted = [_taint(text) for text in settings["taints"]]
    now = {"labels": sorted(labels), "taints": sorted(map(_key, wanted))}
    gone = dict.fromkeys(set(before.get("labels", ())) - labels.keys())
    changed = {k: v for k, v in labels.items() if metadata.get("labels", {}).get(k) != v}
    ours = {*before.get("taints", ()), *now["taints"]}
    after = [taint for taint in taints if _key(taint) not in ours] + wanted
    same = sorted(map(_whole, taints)) == sorted(map(_whole, after))
    if before == now and not changed and not gone and same:
        return False
    change: dict[str, Any] = {
        "metadata": {
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**gone, **changed},
            "annotations": {SET: json.dumps(now)},
        }
    }
    if not same:
        change["spec"] = {"taints": after}
    try:
        api.call("PATCH", f"{NODES}/{metadata['name']}", change, MERGE)
    except ApiError as error:
        if error.status not in (404, 409):  # gone, or changed: the next look sees that
            raise
    return True


def evicts(node: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the group's taints would evict pods of the node: one that it lacks has the effect NoExecute."""
    taints = {_whole(taint) for taint in node["spec"].get("taints", [])}
    return any(
        taint["effect"] == "NoExecute" and _whole(taint) not in taints for taint in map(_taint, settings["taints"])
    )


def _role(node: Mapping[str, Any]) -> dict[str, str]:
    """The label that `kubectl get nodes` shows as a role; kubelets may not give it to themselves."""
    is_master = node["metadata"]["name"].startswith("master")
    return {"node-role.kubernetes.io/control-plane": ""} if is_master else {}


def _taint(text: str) -> dict[str, str]:
    """`key=value:Effect` as the API has it; an empty value is left out there."""
    key, _, rest = text.partition("=")
    value, _, effect = rest.rpartition(":")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})


def _key(taint: Mapping[str, str]) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _whole(taint: Mapping[str, str]) -> tuple[str, str, str]:
    return taint["key"], taint.get("value", ""), taint["effect"]
