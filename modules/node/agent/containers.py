"""Role containers: from a component of the release to what Docker is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import bundle, health, host, kernel, node_certificates, node_report, replacement
from agent.docker import Docker
from agent.host import Host, NodeError
from agent.network import Network
from agent.replacement import Wanted
from agent.turns import Stop, Turns, identity


def filled(
    release: Mapping[str, Any], spec: Mapping[str, Any], me: Host, network: Network, **more: str
) -> dict[str, Any]:
    """The component's description, with its @NAMES@ replaced by what only this machine knows.

    Its `identity` is that of the description before, and so the same on every machine.
    """
    text, group = json.dumps(spec), release["groups"][me.group]
    values = {
        "NAME": me.name,
        "MEMBER": me.member,
        "NODE_IP": network.node_address(),
        "LABELS": ",".join(f"{k}={v}" for k, v in sorted(group["labels"].items())),
        "TAINTS": ",".join(group["taints"]),
        "MAX_PODS": str(group["max_pods"]),
        "CGROUP_V2": str(kernel.cgroup_v2()).lower(),
        **more,
    }
    for key, value in values.items():
        text = text.replace(f"@{key}@", json.dumps(value)[1:-1])
    return {**json.loads(text), "identity": identity_of(release, spec)}


def identity_of(release: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """What tells this description of a component from another, the same on machines of every architecture."""
    secrets = release["secrets"].get(spec["secrets"])
    return identity(spec, release["image_ids"][spec["image"]], secrets)


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
            "OomScoreAdj": kernel.oom_score(spec["oom_score"]),
            "CpuShares": spec["cpu_shares"],
            "PortBindings": ports,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "20m", "max-file": "3"}},
        },
    }
    if spec["needs"]:  # other than `Binds`, Docker makes no folder in the place of what is not there
        there = {"Type": "bind", "Source": spec["needs"], "Target": spec["needs"], "ReadOnly": True}
        created["HostConfig"]["Mounts"] = [there]
    if spec["network"] == "host":
        created["HostConfig"] |= {"NetworkMode": "host", "PidMode": spec["pid"], "CgroupnsMode": "host"}
    else:
        network.join(created, spec)
    return replacement.labelled(created)


def create(release: Mapping[str, Any], spec: Mapping[str, Any], network: Network, turns: Turns) -> None:
    """Have the container, which may be started later, where there is none and it can be."""
    if not replacement.is_there(spec["name"]) and _may_start(spec):
        with _named(spec):
            replacement.create(_wanted(release, spec, network, turns, _data(release, spec)))


def begin(release: Mapping[str, Any], spec: Mapping[str, Any], network: Network, turns: Turns) -> None:
    """Start the container that never ran, where it can be, without waiting until it is healthy."""
    create(release, spec, network, turns)
    container = Docker().inspect(spec["name"])
    if container and container["State"]["Status"] == "created":
        with _named(spec):
            network.engine(spec).start(spec["name"])


def ensure(release: Mapping[str, Any], spec: Mapping[str, Any], network: Network, turns: Turns) -> bool:
    """Have the container run, healthy, as `spec` says; whether something was started or replaced."""
    data = _data(release, spec)
    changed = replacement.ensure(_wanted(release, spec, network, turns, data))
    bundle.forget_others(Docker(), spec["component"], {data} if data else set())
    return changed


@contextmanager
def _named(spec: Mapping[str, Any]) -> Iterator[None]:
    """A NodeError inside says which component it is of."""
    try:
        yield
    except NodeError as error:
        raise NodeError(f"{spec['name']}: {error}") from error


def _data(release: Mapping[str, Any], spec: Mapping[str, Any]) -> str | None:
    """The data container with the component's files; None where it has none."""
    files = dict(spec["files"])
    if spec["secrets"]:
        files |= {n: text for n, text in bundle.secrets(release, spec["secrets"]).items() if n not in spec["handed"]}
    image = release["images"][spec["image"]]
    return bundle.ensure(Docker(), spec["component"], image["id"], files) if files else None


def _wanted(
    release: Mapping[str, Any], spec: Mapping[str, Any], network: Network, turns: Turns, data: str | None
) -> Wanted:
    return Wanted(
        name=spec["name"],
        settings=settings(spec, release["images"][spec["image"]], data, network),
        wait=lambda: health.wait(spec, Docker()),
        wait_replaced=lambda: _wait_replaced(spec),
        turns=turns,
        stop=Stop(spec["component"], spec["identity"], lambda: health.serves(spec, Docker())),
        creator=network.engine(spec),
        stop_seconds=spec["stop_seconds"],
        prepare=lambda: _prepare(release, spec),
    )


def _wait_replaced(spec: Mapping[str, Any]) -> None:
    """Wait until the component has taken over the part of the one before it."""
    health.wait_serving(spec, Docker())
    if spec["component"] == "kubelet":
        node_report.wait(spec["name"], spec["health_seconds"])


def _prepare(release: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Have the machine be as the component needs it, once whatever it takes the place of is stopped."""
    if spec["component"] == "kubelet":
        node_certificates.forget_foreign(bundle.secrets(release, spec["secrets"]))
    host.wait(spec["after"], lambda: _may_start(spec), spec["health_seconds"])


def _may_start(spec: Mapping[str, Any]) -> bool:
    """Whether the file is there that it is to be started after: without, it would only end and be started again."""
    return not spec["after"] or Path(spec["after"]).exists()
