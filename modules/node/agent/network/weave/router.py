"""The router container and what it needs beside it.

These are the containers that Weave's own script would make. Its dozen helper containers cost 20 s on an emulated
machine, and it asks for images by no version, so they are made here.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle, replacement
from agent.docker import Docker
from agent.files import link, publish, put
from agent.host import Host, run, wait
from agent.network.weave import client
from agent.replacement import Wanted
from agent.resolver import UPSTREAM

NAME = "weave"  # its proxy looks itself up by this name
DATA = "weavedb"
PROXY = "/run/weave/weave.sock"
RESOLVERS = "/var/run/weave/etc"  # in the container
PLUGINS = Path("/opt/cni/bin")
CONFLIST = Path("/etc/cni/net.d/10-weave.conflist")
MTU = 1376  # bytes: Weave's own choice
# Bytes that are put around a packet of the overlay: VXLAN's, and ESP's, which Linux 6.12 was seen to put around it
# twice (34, then 36). Where they do not fit, Weave does without its fast datapath.
VXLAN, ESP = 50, 70
OOM_SCORE = -999  # as the kubelet's: without the network nothing works
STOP_SECONDS, ANSWER_SECONDS = 10, 120
VOLUME_LABEL = {"weavevolumes": ""}


def ensure(release: Mapping[str, Any], host: Host) -> None:
    """Have the router and the CNI plugin be what the release asks for; what the router stored is kept."""
    engine = Docker()
    waits = _volumes(engine, release["images"])
    install_plugin(waits, release["images"]["weave"])
    settings = replacement.labelled(container(release, host, waits))
    replacement.ensure(Wanted(NAME, settings, wait=answer, creator=engine, stop_seconds=STOP_SECONDS))


def resume() -> None:
    """Start the router as it was; NodeError where there is none."""
    Docker().start(NAME)
    answer()


def answer() -> None:
    """Wait until the router answers; NodeError after two minutes."""
    wait(NAME, client.answers, ANSWER_SECONDS)


def remove() -> None:
    """Stop the router and lose what it stored; `ensure` makes a new one."""
    engine = Docker()
    engine.remove(NAME)
    engine.remove(DATA)


def peer_name(address: str) -> str:
    """A peer name in the form Weave wants, a locally administered MAC, unique by the machine's address."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def container(release: Mapping[str, Any], host: Host, waits: str) -> dict[str, Any]:
    """The router's Docker settings; `waits` is the container whose volumes hold what makes containers wait for it."""
    network, images = release["network"], release["images"]
    environment = [f"EXEC_IMAGE={images['weaveexec']['ref']}", "CHECKPOINT_DISABLE=1", "IPTABLES_BACKEND=nft"]
    if network["encryption"]:
        environment.append(f"WEAVE_PASSWORD={bundle.secrets(release, 'weave')['password']}")
    binds = ["/var/run/docker.sock:/var/run/docker.sock", "/var/run/weave:/var/run/weave", "/etc:/host/etc"]
    binds += [f"{UPSTREAM.parent}:{RESOLVERS}", "/var/lib/dbus:/host/var/lib/dbus"]
    return {
        "Image": images["weave"]["id"],
        "Cmd": arguments(network, host),
        "Env": environment,
        "HostConfig": {
            "RestartPolicy": {"Name": "always"},
            "Privileged": True,
            "OomScoreAdj": OOM_SCORE,
            "NetworkMode": "host",
            "PidMode": "host",
            "Binds": binds,
            "VolumesFrom": [DATA, waits],
        },
    }


def arguments(network: Mapping[str, Any], host: Host) -> list[str]:
    """The router's flags.

    Fixed machines agree on who hands out addresses; workers never do, so a worker that comes first waits. What weaveDNS
    does not know it asks the machine's own servers for, and not systemd-resolved, which asks weaveDNS.
    """
    peers = network["peers"]
    first = "observer" if host.role == "worker" else f"consensus={len(peers)}"
    found = ["--port=6783", f"--name={peer_name(host.address)}", f"--nickname={host.name}", "--host-root=/host"]
    found += ["--docker-bridge=docker0", "--weave-bridge=weave", "--datapath=datapath", "--conn-limit=0"]
    found += [f"--ipalloc-range={network['pods']}", f"--ipalloc-init={first}", "--http-addr=127.0.0.1:6784"]
    found += [f"--dns-listen-address={docker_bridge()}:53", f"--resolv-conf={RESOLVERS}/{UPSTREAM.name}"]
    found += [f"--mtu={mtu(host.mtu, encrypted=network['encryption'])}"]
    found += ["--status-addr=127.0.0.1:6782", "--proxy", "-H", "unix:///var/run/weave/weave.sock"]
    if host.role != "etcd":  # where no pod runs there is no policy controller to open the way
        found += ["--expect-npc", "--no-masq-local"]
    return found + [peer for peer in peers if peer != host.address]


def mtu(underlay: int, *, encrypted: bool) -> int:
    """How many bytes a packet of the overlay may have, on a network whose packets have `underlay` bytes at most."""
    return min(MTU, underlay - VXLAN - (ESP if encrypted else 0))


def docker_bridge() -> str:
    """The address of Docker's own bridge, where weaveDNS listens."""
    shown = json.loads(run("ip", "-j", "-4", "address", "show", "docker0"))
    return str(shown[0]["addr_info"][0]["local"])


def install_plugin(waits: str, image: Mapping[str, Any]) -> None:
    """The CNI plugin is one program with two names; it comes out of the image that holds it."""
    program = PLUGINS / f"weave-plugin-{_version(image)}"
    if not program.exists():
        unfinished = program.with_name(f".{program.name}.new")
        run("docker", "cp", f"{waits}:/usr/bin/weaveutil", str(unfinished))
        publish(unfinished, program)
    for name in ("weave-net", "weave-ipam"):
        link(PLUGINS / name, program.name)
    plugins = [
        {"name": "weave", "type": "weave-net", "hairpinMode": True},
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ]
    content = {"cniVersion": "1.0.0", "name": "weave", "disableCheck": True, "plugins": plugins}
    put(CONFLIST, json.dumps(content, indent=1) + "\n")


def _volumes(engine: Docker, images: Mapping[str, Any]) -> str:
    """Two containers that never run: one keeps the router's data, one (returned) the programs that wait for it."""
    waits = f"weavevolumes-{_version(images['weaveexec'])}"
    for name, image, folders in (
        (DATA, "weavedb", ("/weavedb",)),
        (waits, "weaveexec", ("/w", "/w-noop", "/w-nomcast")),
    ):
        if engine.inspect(name) is None:
            settings = {"Image": images[image]["id"], "Entrypoint": ["data-only"], "Labels": VOLUME_LABEL}
            engine.create(name, settings | {"Volumes": {folder: {} for folder in folders}})
    return waits


def _version(image: Mapping[str, Any]) -> str:
    """The tag of an image and the beginning of its digest: a tag may be given to another image."""
    return f"{image['ref'].rpartition(':')[2]}-{image['id'].removeprefix('sha256:')[:12]}"
