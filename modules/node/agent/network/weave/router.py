"""The router container and what it needs beside it.

Weave's own script would create these containers. It starts a dozen helper containers, which take 20 s on an emulated
machine, and names images without a version, so the agent creates them itself.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle, kernel, replacement
from agent.docker import Docker
from agent.files import link, publish, put
from agent.host import Host, run, wait
from agent.network.weave import addresses, client
from agent.replacement import Wanted
from agent.resolver import UPSTREAM
from agent.turns import AtOnce, Stop, Turns, identity

NAME = "weave"  # its proxy looks itself up by this name
DATA = "weavedb"
RESOLVERS = "/var/run/weave/etc"  # in the container
PLUGINS = Path("/opt/cni/bin")
CONFLIST = Path("/etc/cni/net.d/10-weave.conflist")
MTU = 1376  # bytes: Weave's own choice
# Bytes added to each packet of the overlay by VXLAN, and by ESP, which Linux 6.12 was seen to add twice (34, then 36).
# If they do not fit, Weave does not use its fast datapath.
VXLAN, ESP = 50, 70
OOM_SCORE = -999  # as the kubelet's: without the network nothing works
STATUS = "127.0.0.1:6782"
STOP_SECONDS, ANSWER_SECONDS = 10, 120
PASSWORD = "anywhere.weave-password"  # the label that tells one password, or none, from another
VOLUME_LABEL = {"weavevolumes": ""}


def begin(release: Mapping[str, Any], host: Host) -> None:
    """Start the router of a machine that never had one; it takes some time until it answers."""
    if not replacement.is_there(NAME):
        share, waits = _prepare(release, host)
        replacement.start(_wanted(release, host, share, waits, AtOnce()))


def ensure(release: Mapping[str, Any], host: Host, turns: Turns) -> None:
    """Make the router and the CNI plugin what the release describes; the router's data is kept."""
    share, waits = _prepare(release, host)
    install_plugin(waits, release["images"]["weave"])
    replacement.ensure(_wanted(release, host, share, waits, turns))


def _prepare(release: Mapping[str, Any], host: Host) -> tuple[bool, str]:
    """Whether the router shares all addresses with others, and the container with the programs that wait for it."""
    engine = Docker()
    share = addresses.share(release, host, has_data=engine.inspect(DATA) is not None)
    return share, _volumes(engine, release["images"])


def _wanted(release: Mapping[str, Any], host: Host, share: bool, waits: str, turns: Turns) -> Wanted:
    """The router. The volumes of container `waits` hold programs that wait for the network."""
    engine = Docker()
    password = identity(release["network"]["encryption"], release["secrets"]["weave"])
    described = identity(release["network"], release["images"]["weave"]["id"], release["secrets"]["weave"])
    return Wanted(
        name=NAME,
        settings=replacement.labelled({**container(release, host, share, waits), "Labels": {PASSWORD: password}}),
        wait=answer,
        wait_replaced=answer,
        turns=turns if _has_password(engine, password) else AtOnce(),
        stop=Stop("network", described, client.serves),
        creator=engine,
        stop_seconds=STOP_SECONDS,
    )


def _has_password(engine: Docker, password: str) -> bool:
    """Whether the router that is there has the password, without which it does not reach those that have it."""
    now = engine.inspect(NAME)
    return now is None or (now["Config"]["Labels"] or {}).get(PASSWORD) in (None, password)


def resume() -> None:
    """Start the existing router; NodeError if there is none."""
    Docker().start(NAME)
    answer()


def answer() -> None:
    """Wait until the router answers; NodeError after two minutes."""
    wait(NAME, client.answers, ANSWER_SECONDS)


def remove() -> None:
    """Remove the router and its data; `ensure` creates a new one."""
    engine = Docker()
    engine.remove(NAME)
    engine.remove(DATA)
    addresses.forget()


def peer_name(address: str) -> str:
    """A peer name in the form Weave wants, a locally administered MAC, unique by the machine's address."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def container(release: Mapping[str, Any], host: Host, share: bool, waits: str) -> dict[str, Any]:
    """The router's Docker settings."""
    network, images = release["network"], release["images"]
    environment = [f"EXEC_IMAGE={images['weaveexec']['ref']}", "CHECKPOINT_DISABLE=1", "IPTABLES_BACKEND=nft"]
    if network["encryption"]:
        environment.append(f"WEAVE_PASSWORD={bundle.secrets(release, 'weave')['password']}")
    binds = ["/var/run/docker.sock:/var/run/docker.sock", "/var/run/weave:/var/run/weave", "/etc:/host/etc"]
    binds += [f"{UPSTREAM.parent}:{RESOLVERS}", "/var/lib/dbus:/host/var/lib/dbus"]
    return {
        "Image": images["weave"]["id"],
        "Cmd": arguments(network, host, share),
        "Env": environment,
        "HostConfig": {
            "RestartPolicy": {"Name": "always"},
            "Privileged": True,
            "OomScoreAdj": kernel.oom_score(OOM_SCORE),
            "NetworkMode": "host",
            "PidMode": "host",
            "Binds": binds,
            "VolumesFrom": [DATA, waits],
        },
    }


def arguments(network: Mapping[str, Any], host: Host, share: bool) -> list[str]:
    """The router's flags; `share` as from `addresses.share`.

    Machines that came later find their peers by those that founded the cluster. WeaveDNS forwards other names to the
    machine's own servers, not to systemd-resolved, which would ask weaveDNS again.
    """
    peers = network["founders"]
    first = f"seed={','.join(map(peer_name, network['seeds']))}" if share else "observer"
    flags = ["--port=6783", f"--name={peer_name(host.address)}", f"--nickname={host.name}", "--host-root=/host"]
    flags += ["--docker-bridge=docker0", "--weave-bridge=weave", "--datapath=datapath", "--conn-limit=0"]
    flags += [f"--ipalloc-range={network['pods']}", f"--ipalloc-init={first}", "--http-addr=127.0.0.1:6784"]
    flags += [f"--dns-listen-address={docker_bridge()}:53", f"--resolv-conf={RESOLVERS}/{UPSTREAM.name}"]
    flags += [f"--mtu={mtu(host.mtu, encrypted=network['encryption'])}"]
    flags += [f"--status-addr={STATUS}", "--proxy", "-H", "unix:///var/run/weave/weave.sock"]
    # Nothing needs a container's own name to be its address on this network, and for each the proxy would run another
    # container, to write that into the hosts file.
    flags += ["--no-rewrite-hosts"]
    if not kernel.has_datapath():  # it finds that out itself, but then refuses to start a second time
        flags.append("--no-fastdp")
    if host.role != "etcd":  # without pods, no policy controller runs that would open the way
        flags += ["--expect-npc", "--no-masq-local"]
    return flags + [peer for peer in peers if peer != host.address]


def mtu(underlay: int, *, encrypted: bool) -> int:
    """The MTU of the overlay, in bytes, on a network with an MTU of `underlay`."""
    return min(MTU, underlay - VXLAN - (ESP if encrypted else 0))


def docker_bridge() -> str:
    """The address of Docker's own bridge, where weaveDNS listens."""
    shown = json.loads(run("ip", "-j", "-4", "address", "show", "docker0"))
    return str(shown[0]["addr_info"][0]["local"])


def install_plugin(waits: str, image: Mapping[str, Any]) -> None:
    """Install the CNI plugin, one program with two names, from the image that holds it."""
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
    """Two containers that never run: one holds the router's data, the other (returned) programs that wait for it."""
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
