"""Leave the cluster: ask the masters to move this worker's pods and delete its node, then hand its addresses back.

Everything may be done again, so what was cut short is done by the next to try. A machine that boots again joins again,
with nothing of what it had: the masters may have given it to others.
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

CA = Path("/etc/anywhere/ca.crt")
CERTIFICATE = Path("/var/lib/kubelet/pki/kubelet-client-current.pem")  # the key is in it too
BOOT = Path("/proc/sys/kernel/random/boot_id")
LEFT = Path("/run/anywhere/left")  # since this boot
BEGUN = host.STATE / "leaving"  # and not ended
DRAIN_SECONDS = 60
CLAIM_SECONDS = 10  # a master that can see to it says so in a moment
SILENCE_SECONDS = 5
# systemd ends the containers of pods at once when a machine is powered off; these are to be drained before.
PODS = Path("/etc/systemd/system/cri-containerd-.scope.d/anywhere-leave.conf")
PODS_LAST = "[Unit]\nBefore=anywhere-leave.service\n"
POWER_OFF = ("poweroff.target", "halt.target")


def due(me: Host) -> bool:
    """Whether to leave rather than to converge: where this machine has left already, or its target takes it away."""
    return me.role == "worker" and (LEFT.exists() or asked())


def prepare() -> None:
    """Have this machine leave when it is powered off. The unit is never stopped for being another than before."""
    files.put(PODS, PODS_LAST)
    if service.install("anywhere-leave.service"):
        host.run("systemctl", "start", "anywhere-leave.service")


def asked() -> bool:
    """Whether the target is about to take this machine away; a target that cannot say so is not."""
    try:
        return host.fetch("machine/leaving").strip() == b"yes"
    except NodeError:
        return False


def powering_off() -> bool:
    """Whether the machine is on its way off, and not to come back by itself."""
    return any(target in host.run("systemctl", "list-jobs", "--no-legend") for target in POWER_OFF)


def leave(release: Mapping[str, Any], me: Host) -> None:
    """Leave once; where the API cannot be asked, only what this machine can do alone is done."""
    if LEFT.exists():
        return
    host.CONVERGED.unlink(missing_ok=True)
    files.put(BEGUN, "")  # a machine that takes too long is cut off
    try:
        ask_masters(Api(CA, CERTIFICATE, CERTIFICATE, SILENCE_SECONDS), me.name)
        print("the cluster has let this node go", flush=True)
    except (NodeError, OSError, http.client.HTTPException) as error:
        print(f"leaving without the masters: {error}", flush=True)
    Docker().remove("kubelet")
    network.load(release, me).leave()
    BEGUN.unlink()
    LEFT.parent.mkdir(exist_ok=True)
    LEFT.touch()
    print("this machine has left its cluster", flush=True)


def clear(release: Mapping[str, Any], me: Host) -> None:
    """Before this machine joins: get rid of what a leave that was cut short left behind."""
    if BEGUN.exists():
        network.load(release, me).leave()
        BEGUN.unlink()


def ask_masters(api: Api, name: str) -> None:
    """Say that this node leaves and wait until it is gone; NodeError or OSError where nobody sees to that."""
    path, begun = f"{NODES}/{name}", time.monotonic()
    node = api.call("PATCH", path, {"metadata": {"labels": {LABEL: BOOT.read_text().strip()}}}, MERGE)
    heard = begun
    while (now := time.monotonic()) - begun < DRAIN_SECONDS:
        if CLAIM not in node["metadata"].get("annotations", {}) and now - begun > CLAIM_SECONDS:
            raise NodeError("no master sees to it")
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
