"""A client of etcd: keys, leases and members, by the JSON gateway of its client port."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from agent import bundle
from agent.files import put
from agent.host import RUN, NodeError

PORT, PEER_PORT = 2379, 2380
FILES = RUN / "etcd"  # the client's certificate, for root alone
SECONDS = 5  # how long one member is waited for
# The bundle that has a client certificate, by the role of a machine, and what the files are called in it.
CERTIFICATES = {
    "etcd": ("etcd", "ca.crt", "client.crt", "client.key"),
    "master": ("kube-apiserver", "etcd-ca.crt", "etcd-client.crt", "etcd-client.key"),
}
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME: a member whose certificate has expired must be reached to be given a new one.
NO_CHECK_TIME = 0x200000


# What members answer for some seconds after a member was added, started or promoted.
CHANGING = ("unhealthy cluster", "too many learner members", "can only promote a learner member which is in sync")
LEARNER = "rpc not supported for learner"  # what a member that does not vote yet answers to everything


class Silent(NodeError):
    """No member answers, or none of them has a leader. `heard` says whether any could be connected to."""

    def __init__(self, text: str, *, heard: bool) -> None:
        super().__init__(text)
        self.heard = heard


class Changing(NodeError):
    """The members are being changed; the same request succeeds a little later."""


@dataclass(frozen=True)
class Member:
    """One member. `name` is "" where it was added but has not started yet; `peer` is the URL of its peers."""

    id: str
    name: str
    peer: str
    learner: bool


class Etcd:
    """The members on `hosts`, asked in this order until one answers.

    Connections are kept, as a new one costs an emulated machine half a second. Threads may share a client.
    """

    def __init__(self, hosts: Sequence[str], tls: ssl.SSLContext) -> None:
        self._hosts, self._tls = list(hosts), tls
        self._open: dict[str, http.client.HTTPSConnection] = {}
        self._alone = threading.RLock()

    def get(self, key: str) -> str | None:
        return self.all(key, end=f"{key}\0").get(key)

    def all(self, prefix: str, end: str = "") -> dict[str, str]:
        """The keys that begin with `prefix`, with their values."""
        end = end or prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return {_decoded(pair["key"]): _decoded(pair.get("value", "")) for pair in self._range(prefix, end)}

    def put(self, key: str, value: str) -> None:
        self._call("/v3/kv/put", {"key": _encoded(key), "value": _encoded(value)})

    def delete(self, key: str) -> None:
        self._call("/v3/kv/deleterange", {"key": _encoded(key)})

    def claim(self, key: str, owner: str, seconds: int) -> str | None:
        """Make `key`, which ends with the lease that is returned; None where another owner has it.

        The lease ends `seconds` after it was last renewed. No two processes may claim a key as the same owner at once:
        what `owner` has already is of a process that was killed, or lost its power, and is replaced.
        """
        for pair in self._range(key, end=f"{key}\0"):
            if _decoded(pair.get("value", "")) != owner:
                return None
            with suppress(NodeError):  # it may end by itself meanwhile
                self.release(pair.get("lease", "0"))
        lease = str(self._call("/v3/lease/grant", {"TTL": str(seconds)})["ID"])
        made = {"request_put": {"key": _encoded(key), "value": _encoded(owner), "lease": lease}}
        absent = {"key": _encoded(key), "target": "CREATE", "create_revision": "0"}
        if self._call("/v3/kv/txn", {"compare": [absent], "success": [made]}).get("succeeded"):
            return lease
        self.release(lease)
        return None

    def renew(self, lease: str) -> bool:
        """Whether the lease was still there to be renewed."""
        return "TTL" in self._call("/v3/lease/keepalive", {"ID": lease})["result"]

    def release(self, lease: str) -> None:
        self._call("/v3/lease/revoke", {"ID": lease})

    def members(self) -> tuple[Member, ...]:
        """The members that a majority knows."""
        return tuple(map(_member, self._call("/v3/cluster/member/list", {"linearizable": True})["members"]))

    def add_learner(self, peer: str) -> None:
        """Add a member that follows, and does not vote, by the URL of its peers."""
        self._call("/v3/cluster/member/add", {"peerURLs": [peer], "isLearner": True})

    def promote(self, member: Member) -> None:
        """Have a learner vote; Changing while it is too far behind."""
        self._call("/v3/cluster/member/promote", {"ID": member.id})

    def remove(self, member: Member) -> None:
        self._call("/v3/cluster/member/remove", {"ID": member.id})

    def cluster(self) -> str:
        """The id of the cluster, as a number in text."""
        return str(self._call("/v3/cluster/member/list", {"linearizable": True})["header"]["cluster_id"])

    def serves(self, host: str) -> bool:
        """Whether the member on `host` answers, and belongs to a majority."""
        try:
            with closing(self._connect(host)) as connection:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def measures(self, host: str) -> str:
        """What the member on `host` measures, as Prometheus reads it; OSError or HTTPException without an answer."""
        with self._alone:
            status, text = self._ask(host, "/metrics", "", kept=self._opened(host))
        return text if status == 200 else ""

    def end(self, host: str) -> str:
        """When the certificate of the member on `host` ends, as OpenSSL writes it; "" where it is not connected."""
        connection = self._open.get(host)
        tls = connection.sock if connection else None
        return str((tls.getpeercert() or {}).get("notAfter", "")) if isinstance(tls, ssl.SSLSocket) else ""

    def has_expired(self, host: str) -> bool:
        """Whether the certificate of the member on `host` has expired; False where it does not answer."""
        try:
            with (
                socket.create_connection((host, PORT), SECONDS) as plain,
                self._tls.wrap_socket(plain, server_hostname=host) as connection,
            ):
                certificate = connection.getpeercert() or {}
        except OSError:
            return False
        return ssl.cert_time_to_seconds(str(certificate["notAfter"])) < time.time()

    def _range(self, key: str, end: str) -> Sequence[Mapping[str, Any]]:
        found = self._call("/v3/kv/range", {"key": _encoded(key), "range_end": _encoded(end)})
        return tuple(found.get("kvs", ()))

    def _call(self, path: str, body: Mapping[str, Any]) -> Any:
        """Ask one member after the other; Silent where none can answer, NodeError where one refuses."""
        reasons, heard = [], False
        for host in tuple(self._hosts):
            try:
                with self._alone:
                    kept = self._opened(host)
                    heard = True  # also where it then takes too long, as it does without a majority
                    status, text = self._ask(host, path, json.dumps(body), kept=kept)
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{host}: {error}")
                continue
            if status == 200:
                self._hosts.remove(host)
                self._hosts.insert(0, host)
                return json.loads(text)
            said = f"{host}: {status} {text[:200]}"
            if any(words in text for words in CHANGING):
                raise Changing(f"etcd {path}: {said}")
            if status < 500 and LEARNER not in text:
                raise NodeError(f"etcd {path}: {said}")
            reasons.append(said)
        raise Silent(f"etcd {path}: {'; '.join(reasons) or 'it has no members'}", heard=heard)

    def _opened(self, host: str) -> bool:
        """Have a connection to a member; whether it is one that was kept, and may be stale."""
        if host in self._open:
            return True
        connection = self._connect(host)
        connection.connect()
        self._open[host] = connection
        return False

    def _ask(self, host: str, path: str, body: str, *, kept: bool) -> tuple[int, str]:
        """The status and the text that a member answers, to a GET where there is no `body`."""
        try:
            connection = self._open[host]
            connection.request("POST" if body else "GET", path, body or None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            self._open.pop(host).close()
            if not kept:
                raise
        return self._ask(host, path, body, kept=self._opened(host))

    def _connect(self, host: str) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(host, PORT, context=self._tls, timeout=SECONDS)


def host_of(member: str) -> str:
    """The fixed name of a member, etcdN, on every network."""
    return f"{member}.weave.local"


def peer_url(member: str) -> str:
    return f"https://{host_of(member)}:{PEER_PORT}"


def connect(release: Mapping[str, Any], role: str, first: str = "") -> Etcd:
    """A client for a machine of this role; the member called `first` is asked before the others."""
    component, *names = CERTIFICATES[role]
    texts = bundle.secrets(release, component)
    FILES.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        put(FILES / name, texts[name], mode=0o600)
    ca, certificate, key = (str(FILES / name) for name in names)
    tls = ssl.create_default_context(cafile=ca)
    tls.verify_flags = ssl.VerifyFlags(tls.verify_flags | NO_CHECK_TIME)
    tls.load_cert_chain(certificate, key)
    members = sorted(release["etcd"]["members"], key=lambda member: member != first)
    return Etcd([host_of(member) for member in members], tls)


def _member(described: Mapping[str, Any]) -> Member:
    return Member(
        id=str(described["ID"]),
        name=described.get("name", ""),
        peer=described.get("peerURLs", [""])[0],
        learner=bool(described.get("isLearner")),
    )


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
