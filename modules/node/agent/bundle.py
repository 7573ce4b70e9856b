"""Role bundles: the keys and configuration files of a component, in a data container."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent.docker import Docker
from agent.files import put, write
from agent.host import STATE, NodeError, fetch

# On the disk, as the data containers are: a machine that boots while its store is away has its secrets.
KEPT = STATE / "secrets"


def folder(component: str) -> str:
    """Where a component finds its bundle, inside its container."""
    return f"/etc/kubernetes/{component}"


def secrets(release: Mapping[str, Any], component: str) -> dict[str, str]:
    """The component's secret files, {name: text}, of the version that the release names.

    Fetched once per version, as clouds charge for each request, and again where the copy is damaged.
    """
    version = release["secrets"][component]
    kept = KEPT / f"{component}-{version}"
    data = kept.read_bytes() if kept.exists() else b""
    if _version(data) != version:
        data = fetch(f"secrets/{component}")
        if _version(data) != version:
            raise NodeError(f"secrets/{component} is not of version {version} yet")
        KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(kept, data, mode=0o600)
        for other in KEPT.glob(f"{component}-{'?' * len(version)}"):
            if other != kept:
                other.unlink()
    files: dict[str, str] = json.loads(data)
    return files


def fetch_all(release: Mapping[str, Any], specs: Iterable[Mapping[str, Any]]) -> None:
    """Have the secret files of all components here, before anything of the release is started."""
    for spec in specs:
        if spec["secrets"]:
            secrets(release, spec["secrets"])


def hand_out(release: Mapping[str, Any], specs: Iterable[Mapping[str, Any]]) -> None:
    """Write the secret files that components want outside of their containers."""
    for spec in specs:
        for name, path in spec["handed"].items():
            put(Path(path), secrets(release, spec["secrets"])[name], mode=0o600)


def _version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def checksum(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()[:16]


def tar(component: str, files: Mapping[str, str]) -> bytes:
    """The bundle as a tar, for root alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in sorted(files.items()):
            data = text.encode()
            entry = tarfile.TarInfo(f"{folder(component).lstrip('/')}/{name}")
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def ensure(docker: Docker, component: str, image: str, files: Mapping[str, str]) -> str:
    """The data container that holds `files`. Its name depends on their content, so old and new can coexist."""
    name = f"{component}-pki-{checksum(files)}"
    if docker.inspect(name) is None:
        unfinished = f"{component}-pki-unfinished"
        docker.remove(unfinished)
        settings: dict[str, Any] = {"Image": image, "Entrypoint": ["true"], "Volumes": {folder(component): {}}}
        docker.create(unfinished, settings)
        docker.put(unfinished, tar(component, files))
        os.sync()  # the name vouches for the content, also after a power cut
        docker.rename(unfinished, name)
    return name


def forget_others(docker: Docker, component: str, keep: set[str]) -> None:
    """Remove the component's data containers except those in `keep`."""
    for container in docker.call("GET", "/containers/json", all="true"):
        name = container["Names"][0].lstrip("/")
        if name.startswith(f"{component}-pki-") and name not in keep:
            docker.remove(name)
