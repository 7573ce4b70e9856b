"""The standard CNI plugins, which every driver builds on."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.docker import Docker
from agent.files import write
from agent.host import NodeError, run

PLUGINS = Path("/opt/cni/bin")
RESULTS = Path("/var/lib/cni/results")  # of each network interface, with the configuration that it was made by


def install_cni_plugins(image: Mapping[str, Any]) -> None:
    """Copy the standard CNI plugins out of their image, once per version."""
    done = Path("/opt/cni/anywhere-plugins")
    if done.exists() and done.read_text() == image["id"]:
        return
    engine, name = Docker(), "anywhere-cni-plugins"
    for folder in (PLUGINS, Path("/etc/cni/net.d")):
        folder.mkdir(parents=True, exist_ok=True)
    engine.remove(name)
    engine.create(name, {"Image": image["id"], "Entrypoint": ["never-started"]})  # an image of files names no command
    run("docker", "cp", f"{name}:/opt/cni/bin/.", f"{PLUGINS}/")
    engine.remove(name)
    os.sync()  # else a power cut may leave this file and none of the plugins
    write(done, image["id"])


def release(sandbox: str, namespace: str) -> None:
    """Have the plugins give back what they gave a pod that no longer runs, and let go of its network `namespace`."""
    for path in RESULTS.glob(f"*-{sandbox}-*"):
        made = json.loads(path.read_text())
        configuration = json.loads(base64.b64decode(made["config"]))
        common = {key: configuration[key] for key in ("cniVersion", "name")} | {"prevResult": made["result"]}
        variables = {"CNI_CONTAINERID": sandbox, "CNI_NETNS": namespace, "CNI_IFNAME": made["ifName"]}
        for plugin in reversed(configuration["plugins"]):
            _delete({**plugin, **common}, variables)
        path.unlink()
    if namespace and Path(namespace).exists():
        run("umount", namespace)
        Path(namespace).unlink()


def _delete(request: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    environment = {**os.environ, **variables, "CNI_COMMAND": "DEL", "CNI_PATH": str(PLUGINS)}
    try:
        run(str(PLUGINS / request["type"]), stdin=json.dumps(request).encode(), env=environment)
    except NodeError as error:  # it has nothing left to give back, which must not keep the others from it
        print(error, flush=True)
