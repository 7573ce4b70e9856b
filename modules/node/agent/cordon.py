"""Nodes without pods: cordoned and drained before something that pods do not survive, and opened again after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import kubectl
from agent.api import MERGE, Api
from agent.drain import NODES
from agent.host import NodeError
from agent.turns import Waiting

BOOT = Path("/proc/sys/kernel/random/boot_id")  # as the kubelet reports it
CORDONED = "anywhere/cordoned"  # an annotation: whoever cordoned this node opens it again


def minor(version: str) -> str:
    """`v1.36.2` -> `v1.36`."""
    return ".".join(version.split(".")[:2])


def is_due(node: Mapping[str, Any], release: Mapping[str, Any]) -> bool:
    """Whether the release has another minor version than the node's kubelet."""
    return minor(node["status"]["nodeInfo"]["kubeletVersion"]) != minor(release["kubernetes"])


def empty(api: Api, release: Mapping[str, Any], name: str) -> None:
    """Cordon a node and evict its pods. Where one may not be evicted in time: NodeError, and the node opens again."""
    if not api.call("GET", f"{NODES}/{name}")["spec"].get("unschedulable"):
        api.call("PATCH", f"{NODES}/{name}", {"metadata": {"annotations": {CORDONED: "yes"}}}, MERGE)
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={release['rollout']['drain']}s")
    try:
        kubectl.run(release["images"]["hyperkube"]["id"], f"anywhere-cordon-{name}", "drain", name, *options)
    except NodeError as error:
        reopen(api, name)
        raise NodeError(f"it is not drained: {error}") from error


def reopen(api: Api, name: str) -> None:
    """Let pods back to a node that was cordoned here; one that a person cordoned stays so."""
    node = api.call("GET", f"{NODES}/{name}")
    if CORDONED in node["metadata"].get("annotations", {}):
        change = {"metadata": {"annotations": {CORDONED: None}}, "spec": {"unschedulable": None}}
        api.call("PATCH", f"{NODES}/{name}", change, MERGE)


def is_cordoned(node: Mapping[str, Any]) -> bool:
    """Whether the node was cordoned here, and not by a person."""
    return CORDONED in node["metadata"].get("annotations", {})


def boot() -> str:
    """The id of this machine's present boot."""
    return BOOT.read_text().strip()


def is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def wait_ready(node: Mapping[str, Any]) -> None:
    """Waiting where this machine's node is not Ready, or was last heard of before the machine booted."""
    if not is_ready(node) or node["status"]["nodeInfo"]["bootID"] != boot():
        raise Waiting("its node, which is not Ready since it booted")


@contextmanager
def emptied(release: Mapping[str, Any], name: str) -> Iterator[None]:
    """Keep a master's own node without pods while its kubelet moves to another minor version."""
    api = kubectl.api()
    due = is_due(api.call("GET", f"{NODES}/{name}"), release)
    if due:
        empty(api, release, name)
    try:
        yield
    finally:
        if due:
            reopen(api, name)
