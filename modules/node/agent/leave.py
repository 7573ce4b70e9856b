"""Leave the cluster: ask the masters to move a worker's pods and delete its node, then return the addresses.

A machine of the control plane that retired has no pods any more, and only returns its addresses.

Every step can be repeated, so the next attempt completes an interrupted one. A machine that boots again joins as a new
one: its addresses may belong to others by then.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import files, host, network, service
from agent.api import MERGE, Api, ApiError
from agent.docker import Docker
from agent.drain import CLAIM, LABEL, NODES
from agent.host import Host, NodeError
from agent.node_certificates import CA, CLIENT

BOOT = Path("/proc/sys/kernel/random/boot_id")  # as the kubelet reports it
LEFT = Path("/run/anywhere/left")  # since this boot
BEGUN = host.STATE / "leaving"  # but not completed
DRAIN_SECONDS = 60
CLAIM_SECONDS = 10  # a master that is able to drain the node claims it within moments
SILENCE_SECONDS = 5
# systemd stops the containers of pods at once when a machine is powered off; they must be drained first.
PODS = Path("/etc/systemd/system/cri-containerd-.scope.d/anywhere-leave.conf")
PODS_LAST = "[Unit]\nBefore=anywhere-leave.service\n"
POWER_OFF = ("poweroff.target", "halt.target")


def due(me: Host) -> bool:
    """Whether to leave rather than to converge: this machine has already left, or its target takes it away."""
    return me.role == "worker" and (LEFT.exists() or requested())


def ensure(me: Host) -> None:
    """Have a worker leave when it is powered off, and no other machine: one that retired is wanted again."""
    if me.role == "worker":
        prepare()
    else:
        stay()


def prepare() -> None:
    """Make this machine leave when it is powered off. The unit is never stopped to be replaced by a newer one."""
    files.put(PODS, PODS_LAST)
    if service.install("anywhere-leave.service"):
        host.run("systemctl", "start", "anywhere-leave.service")


def stay() -> None:
    """Undo `prepare`."""
    service.remove("anywhere-leave.service")
    PODS.unlink(missing_ok=True)


def requested() -> bool:
    """Whether the target is about to take this machine away; False if it does not answer."""
    try:
        return host.fetch("machine/leaving").strip() == b"yes"
    except NodeError:
        return False


def powering_off() -> bool:
    """Whether the machine is powering off rather than rebooting."""
    return any(target in host.run("systemctl", "list-jobs", "--no-legend") for target in POWER_OFF)


def leave(release: Mapping[str, Any], me: Host) -> None:
    """Leave once; if the API does not answer, do only what this machine can do alone."""
    if LEFT.exists():
        return
    host.CONVERGED.unlink(missing_ok=True)
    files.put(BEGUN, "")  # a machine that takes too long is cut off
    try:
        ask_masters(Api(CA, CLIENT, CLIENT, SILENCE_SECONDS), me.name)
        print("the cluster has deleted this node", flush=True)
    except (NodeError, OSError, http.client.HTTPException) as error:
        print(f"leaving without the masters: {error}", flush=True)
    Docker().remove("kubelet")
    network.load(release, me).leave()
    BEGUN.unlink()
    LEFT.parent.mkdir(exist_ok=True)
    LEFT.touch()
    print("this machine has left its cluster", flush=True)


def clear(release: Mapping[str, Any], me: Host) -> None:
    """Before this machine joins, complete a leave that was interrupted."""
    if BEGUN.exists():
        network.load(release, me).leave()
        BEGUN.unlink()


def ask_masters(api: Api, name: str) -> None:
    """Announce that this node leaves, and wait until it is deleted; NodeError or OSError if no master does that."""
    path, begun = f"{NODES}/{name}", time.monotonic()
    node = api.call("PATCH", path, {"metadata": {"labels": {LABEL: BOOT.read_text().strip()}}}, MERGE)
    heard = begun
    while (now := time.monotonic()) - begun < DRAIN_SECONDS:
        if CLAIM not in node["metadata"].get("annotations", {}) and now - begun > CLAIM_SECONDS:
            raise NodeError("no master claimed the node")
        time.sleep(1)
        try:
            node, heard = api.call("GET", path), time.monotonic()
        except ApiError as error:
            if error.status == 404:
                return
            raise
        except (OSError, http.client.HTTPException):
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise
    raise NodeError(f"the node was still there after {DRAIN_SECONDS} s")


def main() -> None:
    """What the unit of the same name does when it is stopped."""
    if powering_off():
        release = host.release(Path(sys.argv[1]).read_text())
        leave(release, host.read(release))


if __name__ == "__main__":
    main()
