"""Drain and delete the nodes of workers that leave; runs on every master, one of which handles each node.

A worker announces that it leaves by a label on its own node. The label holds the id of the boot that ends, to
distinguish a machine that came back before its node was deleted from one that is still leaving.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import host, kubectl, network
from agent.api import MERGE, Api, ApiError
from agent.host import NodeError

NODES = "/api/v1/nodes"
LABEL = "anywhere/leaving"
CLAIM = "anywhere/drained-by"
CLAIM_SECONDS = 300  # a claim that stays for longer is that of a master which did not finish
OPTIONS = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=40s")


class Drainer:
    """One master's part. `document` is the file of the release, `me` the name of this master."""

    def __init__(self, document: Path, me: str) -> None:
        self._document, self._me = document, me
        self._under_way: set[str] = set()
        self._claims: dict[str, tuple[str, float]] = {}  # node -> a claim, and when this master first saw it

    def consider(self, api: Api, node: Mapping[str, Any]) -> threading.Thread | None:
        """Decide about a node that has the label; the thread that removes it, if this master is to do that."""
        name = node["metadata"]["name"]
        if not name.startswith("worker-") or name in self._under_way:
            return None
        if returned(node):
            keep(api, name)
            return None
        if self._taken(node) or not claim(api, node, self._me):
            return None
        self._under_way.add(name)
        thread = threading.Thread(target=self._remove, args=(api, name), daemon=True)
        thread.start()
        return thread

    def _taken(self, node: Mapping[str, Any]) -> bool:
        """Whether another master handles a node. The age of its claim is measured here, as clocks differ."""
        name, now = node["metadata"]["name"], time.monotonic()
        claimed = node["metadata"].get("annotations", {}).get(CLAIM, "")
        if claimed.partition(" ")[0] in ("", self._me):
            return False
        if self._claims.get(name, ("", 0.0))[0] != claimed:
            self._claims[name] = (claimed, now)
        return now - self._claims[name][1] < CLAIM_SECONDS

    def _remove(self, api: Api, name: str) -> None:
        try:
            release = host.release(self._document.read_text())
            drain(release["images"]["hyperkube"]["id"], name)
            deleted = delete(api, name)
        except (NodeError, OSError, http.client.HTTPException) as error:
            return print(f"{name}: {error}", flush=True)
        finally:
            self._under_way.discard(name)
        if deleted:
            print(f"{name}: deleted", flush=True)
            network.load(release, host.read(release)).forget(name)


def claim(api: Api, node: Mapping[str, Any], me: str) -> bool:
    """Claim a node for master `me`; False if another was first. Only one may reclaim its addresses."""
    metadata = node["metadata"]
    claimed = {CLAIM: f"{me} {time.time():.0f}"}
    change = {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": claimed}}
    try:
        api.call("PATCH", f"{NODES}/{metadata['name']}", change, MERGE)
    except ApiError as error:
        if error.status in (404, 409):  # deleted, or changed: then the watch reports it again
            return False
        raise
    return True


def drain(image: str, name: str) -> None:
    """Evict the pods of a node, as far as time permits: the machine goes away in any case."""
    try:
        print(kubectl.run(image, f"anywhere-drain-{name}", "drain", name, *OPTIONS), flush=True)
    except NodeError as error:
        print(f"{name}: not completely drained: {error}", flush=True)


def delete(api: Api, name: str) -> bool:
    """Delete a node, unless its machine has come back; whether it is deleted."""
    path = f"{NODES}/{name}"
    try:
        if returned(api.call("GET", path)):
            keep(api, name)
            return False
        api.call("DELETE", path)
    except ApiError as error:
        if error.status != 404:
            raise
    return True


def keep(api: Api, name: str) -> None:
    """Allow pods again on a node whose machine came back."""
    metadata = {"labels": {LABEL: None}, "annotations": {CLAIM: None}}
    api.call("PATCH", f"{NODES}/{name}", {"metadata": metadata, "spec": {"unschedulable": None}}, MERGE)
    print(f"{name}: came back, and stays", flush=True)


def returned(node: Mapping[str, Any]) -> bool:
    """Whether the machine has booted since it announced that it leaves."""
    boot = node["metadata"]["labels"].get(LABEL)
    return boot is None or boot != node["status"]["nodeInfo"]["bootID"]


def main() -> None:
    """Watch until stopped; the argument is the file of the release."""
    document = Path(sys.argv[1])
    drainer = Drainer(document, host.read(host.release(document.read_text())).name)
    while True:
        try:
            api = kubectl.api()
            for node in api.watch(NODES, labelSelector=LABEL):
                drainer.consider(api, node)
        except (OSError, NodeError, http.client.HTTPException) as error:
            print(f"waiting for the API: {error}", flush=True)
            time.sleep(2)


if __name__ == "__main__":
    main()
