"""The network: a bridge in a namespace of its own, a router for each subnet, DHCP and DNS as the cloud gives them."""

import os
import shutil
import socket
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from tests.fetch.namespace import Namespace

METADATA = "169.254.169.254"
SERVICES = "198.51.100.1"  # a documentation address: all of the cloud's services
BRIDGE = "vpc"
TUN = "/dev/net/tun"


def refusal() -> str:
    """Why no such network can be had here; empty where it can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in ("dnsmasq", "ip", "setpriv") if not shutil.which(name, path=path)]:
        return f"not installed: {', '.join(missing)}"
    return "" if os.access(TUN, os.R_OK | os.W_OK) else f"{TUN} is not there, or not for this user"


class Segment:
    """`mtu` in bytes is what the cloud's network carries; `domains` is whose names are those of its services."""

    def __init__(self, folder: Path, subnets: list[IPv4Network], mtu: int, resolver: str, domains: list[str]) -> None:
        if reason := refusal():
            pytest.skip(f"the network of a cloud cannot be made: {reason}")
        self.namespace, self._folder, self._mtu = Namespace(folder, ()), folder, mtu
        try:
            self._build(subnets, resolver)
            self._dnsmasq = self._serve(subnets, resolver, domains)
        except BaseException:
            self.namespace.close()
            raise

    def close(self) -> None:
        self._dnsmasq.terminate()
        self._dnsmasq.wait()
        self.namespace.close()

    def run(self, *line: str) -> str:
        """What a command says that runs on the network, beside the machines."""
        return subprocess.run(self.namespace.command(*line), capture_output=True, text=True, check=True).stdout

    @staticmethod
    def mac(address: IPv4Address) -> str:
        """Of the card that has `address`."""
        return "02:00:" + address.packed.hex(":")

    def plug(self, address: IPv4Address) -> str:
        """The device of a new network card; DHCP gives `address` to it."""
        device = _device(address)
        (self._leases / device).write_text(f"{self.mac(address)},{address}\n")  # dnsmasq sees each new file there
        self.run("ip", "tuntap", "add", "dev", device, "mode", "tap")
        self.run("ip", "link", "set", device, "mtu", str(self._mtu), "master", BRIDGE, "up")
        return device

    def unplug(self, address: IPv4Address) -> None:
        self.run("ip", "link", "delete", _device(address))

    def start(self, *line: str, log: Path) -> subprocess.Popen[bytes]:
        """A program on the network, which ends with this process however that ends."""
        with log.open("wb") as file:
            command = self.namespace.command("setpriv", "--pdeathsig", "KILL", "--", *line)
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def listen(self, address: str, port: int) -> socket.socket:
        return self.namespace.listen(address, port)

    @property
    def _leases(self) -> Path:
        return self._folder / "leases"

    def _build(self, subnets: list[IPv4Network], resolver: str) -> None:
        self.run("ip", "link", "add", BRIDGE, "mtu", str(self._mtu), "type", "bridge")
        for subnet in subnets:
            self.run("ip", "address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", BRIDGE)
        for address in {SERVICES, resolver} - {METADATA}:
            self.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        self.run("ip", "link", "set", BRIDGE, "up")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _serve(self, subnets: list[IPv4Network], resolver: str, domains: list[str]) -> subprocess.Popen[bytes]:
        self._leases.mkdir()
        line = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file="]
        line += [f"--interface={BRIDGE}", "--bind-interfaces", "--no-resolv", "--no-hosts", "--dhcp-authoritative"]
        line += [f"--dhcp-hostsdir={self._leases}", f"--dhcp-leasefile={self._folder / 'leased'}"]
        line += [f"--dhcp-option=option:dns-server,{resolver}", f"--dhcp-option=option:mtu,{self._mtu}"]
        line += [f"--dhcp-range={subnet[0]},static,{subnet.netmask},1h" for subnet in subnets]
        line += [f"--address=/{domain}/{SERVICES}" for domain in domains]
        return self.start(*line, log=self._folder / "dnsmasq.log")


def _device(address: IPv4Address) -> str:
    return f"tap{address.packed.hex()}"
