"""Flannel: the control plane on the host network, names from the hosts file, pods through the bridge plugin."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import kernel, node_certificates, replacement
from agent.docker import Docker
from agent.files import overwrite, put
from agent.host import Host, NodeError, wait
from agent.network.cni import install_cni_plugins
from agent.replacement import Wanted
from agent.turns import Stop, Turns, identity

HOSTS = Path("/etc/hosts")
BEGIN, END = "# anywhere: names of the control plane", "# anywhere: end"
SUBNET = Path("/run/flannel/subnet.env")
CONFIGURATION = Path("/etc/anywhere/flannel.json")
CONFLIST = Path("/etc/cni/net.d/10-flannel.conflist")
KUBECONFIG = Path("/var/lib/kubelet/kubeconfig")
SECONDS = 300
OOM_SCORE = -999  # as the kubelet's: without the network nothing works
LABEL, TRUST = "anywhere.flannel", "anywhere.flannel-trust"  # its configuration, and the API that it believes
AUTHORITY = re.compile(r"certificate-authority-data: *(\S+)")  # as the kubelet writes it, and as it is handed out


def driver(release: Mapping[str, Any], host: Host) -> Flannel:
    return Flannel(release, host)


class Flannel:
    """See `agent.network.Network`."""

    def __init__(self, release: Mapping[str, Any], host: Host) -> None:
        self._release, self._host, self._network = release, host, release["network"]

    def images(self) -> tuple[str, ...]:
        return ("cni",) if self._host.role == "etcd" else ("flannel", "cni")

    def begin(self) -> None:
        """Nothing to do: it needs the node's certificate first."""

    def up(self, turns: Turns) -> None:
        install_cni_plugins(self._release["images"]["cni"])
        lines = [
            f"{address} {name}" for name, addresses in sorted(self._network["names"].items()) for address in addresses
        ]
        before = others = HOSTS.read_text()
        if BEGIN in before:
            others, _, rest = before.partition(BEGIN)
            others += rest.partition(f"{END}\n")[2]
        after = others.rstrip("\n") + "\n" + "\n".join((BEGIN, *lines, END)) + "\n"
        if after != before:
            overwrite(HOSTS, after)

    def repair(self) -> None:
        """Nothing to do: it has no connections, and its interface belongs to no container."""

    def resume(self) -> None:
        """Nothing to do: the hosts file is on the disk, and Docker starts flanneld."""

    def settle(self, turns: Turns) -> None:
        """Start flanneld; it needs the node's certificate and the range that the API gave the node."""
        if not (KUBECONFIG.exists() and node_certificates.CLIENT.exists()):
            return
        image, configuration = self._release["images"]["flannel"], self._configure()
        wanted = Wanted(
            name="flannel",
            settings=replacement.labelled(self._container(image, configuration)),
            wait=_answer,
            wait_replaced=_answer,
            turns=turns,
            stop=Stop("network", identity(image["id"], configuration, _trusted()), SUBNET.exists),
            creator=Docker(),
            stop_seconds=10,
            prepare=lambda: SUBNET.unlink(missing_ok=True),  # else the one before it would vouch for it
        )
        replacement.ensure(wanted)
        self._write_conflist()

    def engine(self, spec: Mapping[str, Any]) -> Docker:
        return Docker()

    def join(self, settings: dict[str, Any], spec: Mapping[str, Any]) -> None:
        settings["HostConfig"] |= {"NetworkMode": "host", "PortBindings": {}}
        settings["HostConfig"]["Binds"] = [*settings["HostConfig"]["Binds"], "/etc/hosts:/etc/hosts:ro"]
        settings["ExposedPorts"] = {}
        if spec["advertise"]:
            settings["Cmd"] = [*settings["Cmd"], f"{spec['advertise']}={self._host.address}"]

    def name_servers(self) -> tuple[str, ...]:
        return ()

    def measured(self) -> tuple[str, ...]:
        return ()

    def node_address(self) -> str:
        return self._host.address

    def leave(self) -> None:
        """The API deletes the range of pods with the node, so the file that holds it becomes wrong."""
        CONFLIST.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Nothing to do: the API deletes the range with the node."""

    def _configure(self) -> str:
        """Write what flanneld reads once, when it starts; its text."""
        backend = "wireguard" if self._encrypts() else "vxlan"
        text = json.dumps({"Network": self._network["pods"], "Backend": {"Type": backend}}) + "\n"
        put(CONFIGURATION, text)
        return text

    def _encrypts(self) -> bool:
        """Whether packets between machines are encrypted: as the definition says, but within one computer if it can."""
        if not self._network["encryption"] or kernel.has_link("wireguard"):
            return bool(self._network["encryption"])
        if not kernel.shared():
            raise NodeError("this kernel has no WireGuard: install it, or write network.encryption: false")
        print("flannel does not encrypt: the kernel has no WireGuard, and all machines are on one computer", flush=True)
        return False

    def _container(self, image: Mapping[str, Any], configuration: str) -> dict[str, Any]:
        command = ["flanneld", "--kube-subnet-mgr", "--ip-masq", f"--iface={self._host.address}"]
        command += [f"--kubeconfig-file={KUBECONFIG}", f"--net-config-path={CONFIGURATION}"]
        binds = [
            "/var/lib/kubelet:/var/lib/kubelet:ro",
            f"{CONFIGURATION}:{CONFIGURATION}:ro",
            "/run/flannel:/run/flannel",
        ]
        binds += ["/etc/hosts:/etc/hosts:ro", "/run/xtables.lock:/run/xtables.lock", "/lib/modules:/lib/modules:ro"]
        host_config = {
            "NetworkMode": "host",
            "Privileged": True,
            "OomScoreAdj": kernel.oom_score(OOM_SCORE),
            "Binds": binds,
            "RestartPolicy": {"Name": "always"},
        }
        return {
            "Image": image["id"],
            "Entrypoint": command[:1],
            "Cmd": command[1:],
            "Env": [f"NODE_NAME={self._host.name}"],
            "Labels": {LABEL: configuration, TRUST: identity(_trusted())},
            "HostConfig": host_config | {"RestartPolicy": {"Name": "always"}},
        }

    def _write_conflist(self) -> None:
        subnet = dict(line.split("=", 1) for line in SUBNET.read_text().splitlines())
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "mtu": int(subnet["FLANNEL_MTU"]),
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": _network(subnet["FLANNEL_SUBNET"])}]],
                "routes": [{"dst": self._network["pods"]}],
            },
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
        text = json.dumps({"cniVersion": "1.0.0", "name": "flannel", "plugins": [bridge, portmap]}, indent=1) + "\n"
        put(CONFLIST, text)


def _trusted() -> list[str]:
    """The authorities in the node's kubeconfig, which flanneld reads once, when it starts."""
    return AUTHORITY.findall(KUBECONFIG.read_text())


def _answer() -> None:
    wait("flannel", SUBNET.exists, SECONDS)


def _network(cidr: str) -> str:
    return str(ipaddress.IPv4Interface(cidr).network)
