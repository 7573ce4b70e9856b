"""The standard CNI plugins, which every driver builds on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.docker import Docker
from agent.files import write
from agent.host import run


def install_cni_plugins(image: Mapping[str, Any]) -> None:
    """Copy the standard CNI plugins out of their image, once per version."""
    done = Path("/opt/cni/anywhere-plugins")
    if done.exists() and done.read_text() == image["id"]:
        return
    engine, name = Docker(), "anywhere-cni-plugins"
    for folder in ("/opt/cni/bin", "/etc/cni/net.d"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    engine.remove(name)
    engine.create(name, {"Image": image["id"], "Entrypoint": ["never-started"]})  # an image of files names no command
    run("docker", "cp", f"{name}:/opt/cni/bin/.", "/opt/cni/bin/")
    engine.remove(name)
    os.sync()  # else a power cut may leave this file and none of the plugins
    write(done, image["id"])
