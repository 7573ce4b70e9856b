"""The part of the API server that deals with nodes and one status, in memory: it refuses what is out of date."""

import copy
import json
import uuid

from agent.api import ApiError
from agent.drain import NODES
from releases import release

VERSION = release("ha")["kubernetes"]


class Api:
    """Nodes by name, and other objects by path; a change to what has changed meanwhile is refused.

    `calls` are the changes, in order: (method, path).
    """

    def __init__(self, *nodes):
        self.nodes = {node["metadata"]["name"]: node for node in nodes}
        self.objects, self.calls = {}, []

    def call(self, method, path, body=None, kind=""):
        if method != "GET":
            self.calls.append((method, path))
        if path == NODES:
            return {"items": [copy.deepcopy(node) for node in self.nodes.values()]}
        name = path.removeprefix(f"{NODES}/")
        found = self.nodes.get(name) or self.objects.get(path)
        if found is None:
            raise ApiError(f"{method} {path}", 404, "")
        if method == "DELETE":
            wanted = (body or {}).get("preconditions", {}).get("uid")
            if wanted not in (None, found["metadata"].get("uid")):
                raise ApiError(f"{method} {path}", 409, "")
            return self.nodes.pop(name, None) or self.objects.pop(path)
        if method == "PATCH":
            version = body.get("metadata", {}).get("resourceVersion")
            if version not in (None, found["metadata"]["resourceVersion"]):
                raise ApiError(f"{method} {path}", 409, "")
            found["metadata"]["resourceVersion"] += "1"
            for part, change in ((p, body.get(p, {})) for p in ("metadata", "spec", "data")):
                merge(found.setdefault(part, {}), {k: v for k, v in change.items() if k != "resourceVersion"})
        return copy.deepcopy(found)

    def apply(self, objects, made=lambda path, uid: None):
        """Server-side apply of JSON: what it does not name stays."""
        for path, text in objects:
            self.calls.append(("APPLY", path))
            content = json.loads(text.removeprefix(f"# {path}\n"))
            found = self.objects.setdefault(path, {"metadata": {"resourceVersion": "1", "annotations": {}}})
            merge(found, content)
            made(path, found["metadata"].setdefault("uid", str(uuid.uuid4())))
            found["metadata"]["resourceVersion"] += "1"

    def apply_one(self, path, content):
        """The same of one object."""
        made = {}
        self.apply([(path, json.dumps(content))], made.__setitem__)
        return made[path]

    def seen(self, name):
        return copy.deepcopy(self.nodes[name])


def merge(into, change):
    for key, value in change.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


def node(name, *, ready=True, version=VERSION, labels=(), taints=(), unschedulable=False, **annotations):
    """A node as the API has it; the names of `annotations` are those of the agent, by their last word."""
    kept = {f"anywhere/{key}": value for key, value in annotations.items()}
    pool = name.split("-")[1] if name.startswith("worker-") else ""
    found = dict(labels) | ({"node.kubernetes.io/pool": pool} if pool else {})
    return {
        "metadata": {"name": name, "resourceVersion": "1", "labels": found, "annotations": kept},
        "spec": ({"taints": list(taints)} if taints else {}) | ({"unschedulable": True} if unschedulable else {}),
        "status": {
            "nodeInfo": {"kubeletVersion": version, "bootID": "boot-1"},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }
