"""Where the parts of one simulation find each other: a folder, and ports of 127.0.0.1."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent import api, etcd
from agent.api import Api
from agent.etcd import Etcd

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` has the secret files of each component, by its name in `generator.pki.documents`."""

    folder: Path
    api: int
    etcd: int
    peer: int
    store: int

    def lead(self) -> None:
        """Have the agent's clients in this process find the API and etcd, as names lead there on machines."""
        api.NAME, api.PORT, etcd.PORT = HOST, self.api, self.etcd

    @property
    def ca(self) -> Path:
        return self.folder / "addons" / "ca.crt"

    def administrator(self) -> Api:
        """The identity of the masters' own services."""
        keys = self.folder / "addons"
        return Api(self.ca, keys / "client.crt", keys / "client.key")

    def etcd_client(self) -> Etcd:
        files = self.folder / "kube-apiserver"
        tls = ssl.create_default_context(cafile=str(files / "etcd-ca.crt"))
        tls.load_cert_chain(str(files / "etcd-client.crt"), str(files / "etcd-client.key"))
        return Etcd([HOST], tls)


def choose(folder: Path) -> Place:
    """A place with ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(4)]
        return Place(folder, *(each.getsockname()[1] for each in sockets))
