"""containerd, which runs the pods of this machine: out of an image of the release, beside the one that Docker uses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent import service
from agent.docker import Docker
from agent.files import link, publish
from agent.host import NodeError, run, wait
from agent.network import cni

FOLDER = Path("/opt/anywhere/containerd")
# The same for each version: with each pod containerd keeps the path of the program that it started it by.
PROGRAMS = FOLDER / "current"
SOCKET = "/run/anywhere/containerd/containerd.sock"
UNIT = "anywhere-containerd.service"
COPIER = "anywhere-containerd-programs"  # a container that is never started
SECONDS = 60
# Where Docker's containerd, which ran the pods of earlier versions of anywhere, has their sandboxes on record.
EARLIER = Path("/var/lib/containerd/io.containerd.grpc.v1.cri")


def command(*words: str) -> tuple[str, ...]:
    """The command line of containerd's own client."""
    return (str(PROGRAMS / "ctr"), "--address", SOCKET, "--namespace", "k8s.io", *words)


def ctr(*words: str) -> str:
    """Run containerd's own client; its output."""
    return run(*command(*words))


def ensure(image: Mapping[str, Any]) -> None:
    """Run the containerd of an image that Docker has. Pods go on while it restarts."""
    folder = FOLDER / image["id"].removeprefix("sha256:")[:12]
    if not folder.is_dir():
        _unpack(image["id"], folder)
    link(PROGRAMS, folder)
    service.ensure(UNIT, image=image["id"], programs=str(PROGRAMS))
    for other in FOLDER.iterdir():
        if other not in (PROGRAMS, folder):
            shutil.rmtree(other)


def _unpack(image: str, folder: Path) -> None:
    """Copy the programs out of their image."""
    unfinished = FOLDER / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    engine = Docker()
    engine.remove(COPIER)
    engine.create(COPIER, {"Image": image})
    run("docker", "cp", f"{COPIER}:/bin/.", str(unfinished))
    engine.remove(COPIER)
    publish(unfinished, folder)


def retire_earlier() -> None:
    """Stop and remove the pods that Docker's containerd still has: this one runs them anew.

    Docker's own containers are in another namespace of it.
    """
    sandboxes = {path.name for path in (EARLIER / "sandboxes").glob("*")}
    if not sandboxes:
        return
    wait("the end of the pods in Docker's containerd", _earlier_ended, SECONDS)
    for container in _earlier("containers", "list", "--quiet"):
        if container in sandboxes:
            cni.release(container, _network(container))
        _earlier("containers", "delete", container)
    if images := _earlier("images", "list", "--quiet"):
        _earlier("images", "delete", *images)
    for kind in ("containers", "sandboxes"):  # in this order: while a sandbox is on record, all of this is done again
        shutil.rmtree(EARLIER / kind, ignore_errors=True)
    print(f"{len(sandboxes)} pods were removed from Docker's containerd: they run in their own now", flush=True)


def _earlier_ended() -> bool:
    """Whether no process of the earlier pods is left; end those that are."""
    tasks = _earlier("tasks", "list", "--quiet")
    for task in tasks:
        with suppress(NodeError):  # the CRI there deletes a task as soon as it has ended
            _earlier("tasks", "kill", "--signal", "SIGKILL", task)
    return not tasks


def _earlier(*words: str) -> list[str]:
    """What the client of Docker's containerd prints of pods, by line."""
    return run("ctr", "--namespace", "k8s.io", *words).split()


def _network(sandbox: str) -> str:
    """The path of a sandbox's network namespace; "" where it has the machine's."""
    described = json.loads(run("ctr", "--namespace", "k8s.io", "containers", "info", sandbox))
    namespaces = described["Spec"]["linux"]["namespaces"]
    return next((each.get("path", "") for each in namespaces if each["type"] == "network"), "")
