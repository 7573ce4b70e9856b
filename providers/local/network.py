"""`anywhere_network`: the Ethernet between a cluster's machines.

Virtual machines are on a bridge in a namespace (see `ethernet`), containers likewise. Where this computer permits no
such namespace, every QEMU joins one multicast group on the loopback interface. Either way there is no switch process:
nothing that can die, needs root, or is left behind. Frames never leave the host.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from typing import Any

from providers.local import kind, names
from providers.local.home import ClusterFolder, read_json, remove_empty, write_json
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import Attribute, InvalidAttribute, State


def socket_of(cluster: ClusterFolder, network: str) -> str | None:
    """`group:port` of a network; None where there is no such network."""
    record = read_json(cluster.networks / f"{network}.json")
    return record and str(record["socket"])


def _choose_socket(cluster: ClusterFolder, name: str) -> str:
    """A group of the organisation-local range and a port: the same for the same folder, different for others."""
    digest = hashlib.sha256(f"{os.getuid()} {cluster.path} {name}".encode()).digest()
    port = 20000 + int.from_bytes(digest[3:5], "big") % 12000  # below the range of ephemeral ports
    return f"239.{192 + digest[0] % 64}.{digest[1]}.{digest[2]}:{port}"


class Network(Resource[ClusterFolder]):
    description = "An Ethernet between machines of this host."
    schema = {
        "id": Attribute("string", "The network's name.", computed=True),
        "name": Attribute("string", "Its name within the cluster.", required=True, replace=True),
        "cidr": Attribute("string", "The addresses of its machines, such as 10.20.0.0/16.", required=True),
        "socket": Attribute(
            "string", "The multicast group and port that carry its frames where nothing else can.", computed=True
        ),
    }

    @classmethod
    def validate(cls, config: State) -> None:
        names.check_name(config["name"])
        if not is_known(config["cidr"]):
            return
        try:
            ipaddress.IPv4Network(config["cidr"])
        except ValueError as error:
            raise InvalidAttribute(f"Not an IPv4 network: {error}.", "Write it like 10.20.0.0/16.", "cidr") from None

    def _write(self, planned: State) -> State:
        name = planned["name"]
        socket = socket_of(self.settings, name) or _choose_socket(self.settings, name)
        write_json(self.settings.networks / f"{name}.json", {"cidr": planned["cidr"], "socket": socket})
        return {**planned, "id": name, "socket": socket}

    def create(self, planned: State, config: State) -> State:
        return self._write(planned)

    def read(self, state: State) -> State | None:
        record: Any = read_json(self.settings.networks / f"{state['name']}.json")
        return record and {**state, **record}

    def update(self, prior: State, planned: State, config: State) -> State:
        return self._write(planned)

    def delete(self, state: State) -> None:
        for name in kind.KINDS:
            kind.load(name).remove_network(self.settings)
        (self.settings.networks / f"{state['name']}.json").unlink(missing_ok=True)
        remove_empty(self.settings.networks)
