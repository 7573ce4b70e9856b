"""Role containers: each is what the release says, or is replaced, or is put back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle, health, kernel
from agent.docker import Docker
from agent.files import write
from agent.host import RUN, Host, NodeError
from agent.network import Network

LABEL = "anywhere.spec"
REFUSED_SECONDS = 1800


def filled(spec: Mapping[str, Any], host: Host, group: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """The component's description with what only this machine knows put in for its @NAMES@."""
    text = json.dumps(spec)
    values = {
        "NAME": host.name,
        "MEMBER": host.member,
        "NODE_IP": network.node_address(),
        "LABELS": ",".join(f"{k}={v}" for k, v in sorted(group["labels"].items())),
        "TAINTS": ",".join(group["taints"]),
        "CGROUP_V2": str(kernel.cgroup_v2()).lower(),
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", json.dumps(value)[1:-1])
    found: dict[str, Any] = json.loads(text)
    return found


def settings(spec: Mapping[str, Any], image: Mapping[str, Any], data: str | None, network: Network) -> dict[str, Any]:
    """What Docker's API is given to create the container."""
    ports = {f"{port}/tcp": [{"HostPort": str(port)}] for port in spec["publish"]}
    created: dict[str, Any] = {
        "Image": image["id"],
        "Entrypoint": spec["command"][:1],
        "Cmd": spec["command"][1:],
        "Env": [f"{k}={v}" for k, v in sorted(spec["env"].items())],
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": {
            "RestartPolicy": {"Name": "always"},
            "Binds": spec["mounts"],
            "VolumesFrom": [f"{data}:ro"] if data else [],
            "Privileged": spec["privileged"],
            "PortBindings": ports,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "3"}},
        },
    }
    if spec["network"] == "host":
        created["HostConfig"] |= {"NetworkMode": "host", "PidMode": spec["pid"], "CgroupnsMode": "host"}
    else:
        network.join(created, spec)
    created["Labels"] = {LABEL: hashlib.sha256(json.dumps(created, sort_keys=True).encode()).hexdigest()}
    return created


def ensure(release: Mapping[str, Any], spec: Mapping[str, Any], network: Network) -> bool:
    """Have the container run, healthy, as `spec` says; True where something was started or replaced."""
    engine, name = Docker(), spec["name"]
    files = dict(spec["files"])
    if spec["secrets"]:
        files |= {n: text for n, text in bundle.secrets(release, spec["secrets"]).items() if n not in spec["handed"]}
    image = release["images"][spec["image"]]
    data = bundle.ensure(engine, spec["component"], image["id"], files) if files else None
    wanted = settings(spec, image, data, network)
    now = engine.inspect(name)
    same = now and now["Config"]["Labels"].get(LABEL) == wanted["Labels"][LABEL]
    if now and same and not engine.inspect(_previous(name)):
        if not now["State"]["Running"]:
            network.engine(spec).start(name)
        health.wait(spec, engine)
        return not now["State"]["Running"]
    _refuse_again(name, wanted["Labels"][LABEL])
    _replace(engine, network.engine(spec), spec, wanted)
    bundle.forget_others(engine, spec["component"], {data} if data else set())
    return True


def _refuse_again(name: str, label: str) -> None:
    """Leave what was put back alone for a while: each attempt takes a healthy container away for minutes."""
    refused = _refused(name)
    before, _, at = refused.read_text().partition(" ") if refused.exists() else ("", "", "")
    if before != label:
        return
    left = REFUSED_SECONDS - (time.monotonic() - float(at))
    if left > 0:
        raise NodeError(f"{name}: what the release asks for was not healthy; tried again in {left / 60:.0f} minutes")


def _refused(name: str) -> Path:
    """Holds the label of what was put back and the monotonic time of that, which a changed clock leaves alone."""
    return RUN / f"refused-{name}"


def _previous(name: str) -> str:
    """What a container is called until the one in its place is healthy."""
    return f"{name}-previous"


def _replace(engine: Docker, creator: Docker, spec: Mapping[str, Any], wanted: dict[str, Any]) -> None:
    """Put the wanted container in the place of the old one; the old one comes back where the new is not healthy."""
    name, old = spec["name"], _previous(spec["name"])
    if engine.inspect(old):
        engine.remove(name)  # a replacement that was cut short, so nobody knows whether it is healthy
    elif engine.inspect(name):
        engine.stop(name, spec["stop_seconds"])
        engine.rename(name, old)
    try:
        creator.create(name, wanted)
        creator.start(name)
        health.wait(spec, engine)
    except NodeError as error:
        said = engine.log_tail(name)
        if engine.inspect(old):
            engine.remove(name)
            engine.rename(old, name)
            creator.start(name)
            write(_refused(name), f"{wanted['Labels'][LABEL]} {time.monotonic()}")
            raise NodeError(f"{name}: {error}; the previous container is back; it said: {said}") from error
        raise NodeError(f"{name}: {error}; it said: {said}") from error
    engine.remove(old)
