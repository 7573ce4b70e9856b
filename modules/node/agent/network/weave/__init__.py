"""Weave Net: router, weaveDNS and CNI plugin; role containers join through its Docker proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from agent.docker import Docker
from agent.host import Host, NodeError, run
from agent.network.cni import install_cni_plugins
from agent.network.weave import addresses, client, interfaces, names, router
from agent.network.weave.proxy import ROLES, Proxy
from agent.replacement import LABEL
from agent.turns import AtOnce, Turns

GOSSIP_SECONDS = 30  # how often peers tell each other who owns which addresses, beside each change
FORGET_SECONDS = 300


def driver(release: Mapping[str, Any], host: Host) -> Weave:
    return Weave(release, host)


class Weave:
    """See `agent.network.Network`."""

    def __init__(self, release: Mapping[str, Any], host: Host) -> None:
        self._release, self._host, self._network = release, host, release["network"]
        self._address = ""

    def images(self) -> tuple[str, ...]:
        return ("weave", "weaveexec", "weavedb", "cni")

    def begin(self) -> None:
        router.begin(self._release, self._host)

    def up(self, turns: Turns) -> None:
        install_cni_plugins(self._release["images"]["cni"])
        router.ensure(self._release, self._host, turns)
        self._reconnect()
        if addresses.are_lost(self._host):
            router.ensure(self._release, self._host, AtOnce())  # the others have no addresses either
        self._join()

    def repair(self) -> None:
        interfaces.remove_stale()  # of a component that crashed, as its address is that of the one in its place
        self._reconnect()

    def resume(self) -> None:
        router.resume()
        self._join()

    def settle(self, turns: Turns) -> None:
        self._let_roles_pass()

    def engine(self, spec: Mapping[str, Any]) -> Docker:
        return Docker() if spec["network"] == "host" else Proxy()

    def join(self, settings: dict[str, Any], spec: Mapping[str, Any]) -> None:
        settings["Hostname"] = spec["hostname"]
        if spec["advertise"]:
            # Weave gives the address when the container starts, so only the container itself can tell it.
            own = r"$(ip -4 -o address show ethwe | sed 's:.* inet \([0-9.]*\)/.*:\1:')"
            settings["Cmd"] = ["-c", f'exec "$@" {spec["advertise"]}={own}', "sh", *spec["command"]]
            settings["Entrypoint"] = ["sh"]

    def name_servers(self) -> tuple[str, ...]:
        return (router.docker_bridge(),)

    def measured(self) -> tuple[str, ...]:
        return (f"http://{router.STATUS}/metrics", "http://127.0.0.1:6781/metrics")  # the router, the policy controller

    def node_address(self) -> str:
        if not self._address:  # asked for with each component
            links = json.loads(run("ip", "-j", "-4", "address", "show", "weave"))
            self._address = str(links[0]["addr_info"][0]["local"])
        return self._address

    def leave(self) -> None:
        """Transfer this machine's addresses to another peer, and announce that before the router stops."""
        if client.answers():
            client.call("DELETE", "/peer")
            time.sleep(0.5)
        router.remove()

    def forget(self, name: str) -> None:
        """Take over the addresses of a peer that has been unreachable for a while and did not transfer them.

        If the peer were up, or had just announced a transfer, two peers would own the same addresses.
        """
        end, seen = time.monotonic() + FORGET_SECONDS, time.monotonic()
        while (shares := client.shares(name)) and time.monotonic() < end:
            if any(shares.values()):
                seen = time.monotonic()
            elif time.monotonic() - seen > GOSSIP_SECONDS:
                for peer in shares:
                    client.call("DELETE", f"/peer/{peer}")
                return
            time.sleep(1)

    def _reconnect(self) -> None:
        """Have the router try those that founded the cluster, where it reaches none: they may be up again."""
        others = [address for address in self._network["founders"] if address != self._host.address]
        if others and not client.reaches(others):
            client.connect(others)

    def _join(self) -> None:
        """Connect this machine itself to the network of its router."""
        interfaces.remove_stale()  # of a container that Docker started again
        address = self._expose()
        names.ensure(router.docker_bridge())
        self._route(address)
        self._let_roles_pass()

    def _expose(self) -> str:
        """Give the host an address on the network, in CIDR form. It is the same after every boot."""
        try:
            cidr = client.call("POST", "/ip/weave:expose").strip()
        except TimeoutError as error:
            if client.is_shared():
                raise
            founders = ", ".join(self._network["founders"])
            raise NodeError(f"no machine with addresses of the network is reached, of {founders}") from error
        client.call("POST", f"/expose/{cidr}")
        client.call("PUT", f"/name/weave:expose/{cidr.split('/')[0]}", f"fqdn={self._host.name}.weave.local")
        return cidr

    def _route(self, cidr: str) -> None:
        """Reach Services through the bridge; never let the cluster's packets out by the default route."""
        own, pods, services = cidr.split("/")[0], self._network["pods"], self._network["services"]
        run("ip", "route", "replace", services, "dev", "weave", "src", own)
        for network in (pods, services):
            run("ip", "route", "replace", "unreachable", network, "metric", "4096")

    def _let_roles_pass(self) -> None:
        """Let the traffic of role containers pass: the policy controller knows only pods and would drop it."""
        run("ipset", "create", ROLES, "hash:ip", "-exist")
        running = [c["Id"] for c in Docker().call("GET", "/containers/json") if LABEL in c["Labels"]]
        wanted = {address for container in running for address in client.addresses(container)}
        present = {line.split()[2] for line in run("ipset", "save", ROLES).splitlines() if line.startswith("add ")}
        for address in sorted(wanted - present):
            run("ipset", "add", ROLES, address, "-exist")
        for address in sorted(present - wanted):  # weave may give it to a pod next, to which policies apply
            run("ipset", "del", ROLES, address, "-exist")
        listed = run("iptables", "-w", "-S", "FORWARD").splitlines()[1:3]
        for direction in ("dst", "src"):
            rule = ("-m", "set", "--match-set", ROLES, direction, "-j", "ACCEPT")
            if not any(f"{ROLES} {direction}" in line for line in listed):
                run("sh", "-c", f"iptables -w -D FORWARD {' '.join(rule)} 2>/dev/null; true")
                run("iptables", "-w", "-I", "FORWARD", "1", *rule)
