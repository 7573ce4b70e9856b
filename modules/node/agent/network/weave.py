"""Weave Net: router, weaveDNS and CNI plugin; role containers join through its Docker proxy."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle
from agent.docker import Docker
from agent.host import Host, NodeError, run, wait
from agent.network.cni import install_cni_plugins

HTTP = "127.0.0.1:6784"
PROXY = "/run/weave/weave.sock"
ROLES = "anywhere-roles"  # the set of this machine's role container addresses
RESOLVED = Path("/etc/systemd/resolved.conf.d/weave.conf")


def driver(release: Mapping[str, Any], host: Host) -> Weave:
    return Weave(release, host)


class Weave:
    """See `agent.network.Network`."""

    def __init__(self, release: Mapping[str, Any], host: Host) -> None:
        self._release, self._host, self._network = release, host, release["network"]

    def images(self) -> tuple[str, ...]:
        return ("weave", "weaveexec", "weavedb", "cni")

    def up(self) -> None:
        install_cni_plugins(self._release["images"]["cni"])
        if not _answers():
            self._launch()
            wait("weave", _answers, 120)
        address = self._expose()
        self._resolve_names()
        self._route(address)
        self._let_roles_pass()

    def settle(self) -> None:
        self._let_roles_pass()

    def engine(self, spec: Mapping[str, Any]) -> Docker:
        return Docker() if spec["network"] == "host" else Docker(PROXY)

    def join(self, settings: dict[str, Any], spec: Mapping[str, Any]) -> None:
        settings["Hostname"] = spec["hostname"]
        if spec["advertise"]:
            # Weave gives the address when the container starts, so only the container itself can tell it.
            own = r"$(ip -4 -o address show ethwe | sed 's:.* inet \([0-9.]*\)/.*:\1:')"
            settings["Cmd"] = ["-c", f'exec "$@" {spec["advertise"]}={own}', "sh", *spec["command"]]
            settings["Entrypoint"] = ["sh"]

    def node_address(self) -> str:
        found = json.loads(run("ip", "-j", "-4", "address", "show", "weave"))
        return str(found[0]["addr_info"][0]["local"])

    def _launch(self) -> None:
        """Start the router with the script that its image carries.

        Fixed machines agree on who hands out addresses; workers never do, so a worker that comes first waits.
        """
        engine, images = Docker(), self._release["images"]
        if engine.inspect("weave"):
            engine.start("weave")
            return
        peers = self._network["peers"]
        first = "observer" if self._host.role == "worker" else f"consensus={len(peers)}"
        user, version = images["weave"]["ref"].split("/")[-2], images["weave"]["ref"].rsplit(":", 1)[1]
        # The script asks for this one image by no version.
        engine.call("POST", f"/images/{images['weavedb']['id']}/tag", repo=f"{user}/weavedb", tag="latest")
        environment = {
            "HOST_ROOT": "/host",
            "DOCKERHUB_USER": user,
            "WEAVE_VERSION": version,
            "IPTABLES_BACKEND": "nft",
            "CHECKPOINT_DISABLE": "1",
        }
        if self._network["encryption"]:
            environment["WEAVE_PASSWORD"] = bundle.secrets("weave")["password"]
        binds = ("/:/host", "/var/run/docker.sock:/var/run/docker.sock")
        options = ["--rm", "--privileged", "--net=host", "--pid=host", *(f"--volume={bind}" for bind in binds)]
        options += [f"--env={name}" for name in environment]  # values stay out of the process list
        # The legacy plugin stalls dockerd for 15 s at each boot; pods come through CNI and roles through the proxy.
        arguments = ["--plugin=false", f"--ipalloc-range={self._network['pods']}", f"--ipalloc-init={first}"]
        arguments += [f"--name={peer_name(self._host.address)}", f"--nickname={self._host.name}", "--conn-limit=0"]
        if self._host.role != "etcd":  # where no pod runs there is no policy controller to open the way
            arguments += ["--expect-npc", "--no-masq-local"]
        arguments += [peer for peer in peers if peer != self._host.address]
        exec_image = images["weaveexec"]["ref"]
        run("docker", "run", *options, exec_image, "--local", "launch", *arguments, env={**os.environ, **environment})

    def _expose(self) -> str:
        """Give the host an address on the network, the same one after every boot; CIDR form."""
        cidr = _call("POST", "/ip/weave:expose").strip()
        _call("POST", f"/expose/{cidr}")
        _call("PUT", f"/name/weave:expose/{cidr.split('/')[0]}", f"fqdn={self._host.name}.weave.local")
        return cidr

    def _resolve_names(self) -> None:
        bridge = json.loads(run("ip", "-j", "-4", "address", "show", "docker0"))[0]["addr_info"][0]["local"]
        text = f"[Resolve]\nDNS={bridge}\nDomains=~weave.local\nDNSSEC=no\nMulticastDNS=no\nLLMNR=no\n"
        if not RESOLVED.exists() or RESOLVED.read_text() != text:
            RESOLVED.parent.mkdir(parents=True, exist_ok=True)
            RESOLVED.write_text(text)
            run("systemctl", "restart", "systemd-resolved")

    def _route(self, cidr: str) -> None:
        """Reach Services through the bridge; never let the cluster's packets out by the default route."""
        own, pods, services = cidr.split("/")[0], self._network["pods"], self._network["services"]
        run("ip", "route", "replace", services, "dev", "weave", "src", own)
        for network in (pods, services):
            run("ip", "route", "replace", "unreachable", network, "metric", "4096")

    def _let_roles_pass(self) -> None:
        """Keep the policy controller, which knows only pods, from dropping what role containers send and receive."""
        run("ipset", "create", ROLES, "hash:ip", "-exist")
        running = [c["Id"] for c in Docker().call("GET", "/containers/json") if "anywhere.spec" in c["Labels"]]
        wanted = {address for container in running for address in _addresses(container)}
        present = {line.split()[2] for line in run("ipset", "save", ROLES).splitlines() if line.startswith("add ")}
        for address in sorted(wanted - present):
            run("ipset", "add", ROLES, address, "-exist")
        for address in sorted(present - wanted):  # weave may give it to a pod next, which policies hold for
            run("ipset", "del", ROLES, address, "-exist")
        for direction in ("dst", "src"):
            rule = ("-m", "set", "--match-set", ROLES, direction, "-j", "ACCEPT")
            listed = run("iptables", "-w", "-S", "FORWARD").splitlines()[1:3]
            if not any(f"{ROLES} {direction}" in line for line in listed):
                run("sh", "-c", f"iptables -w -D FORWARD {' '.join(rule)} 2>/dev/null; true")
                run("iptables", "-w", "-I", "FORWARD", "1", *rule)


def peer_name(address: str) -> str:
    """A peer name in the form Weave wants, a locally administered MAC, unique by the machine's address."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def _addresses(container: str) -> list[str]:
    try:
        return [cidr.split("/")[0] for cidr in _call("GET", f"/ip/{container}").split()]
    except NodeError:
        return []  # a container that is not on this network has none


def _answers() -> bool:
    try:
        _call("GET", "/status")
    except (NodeError, OSError):
        return False
    return True


def _call(method: str, path: str, body: str | None = None) -> str:
    connection = http.client.HTTPConnection(HTTP, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status >= 300:
        raise NodeError(f"weave {method} {path}: {answer.status} {text.strip()[:200]}")
    return text
