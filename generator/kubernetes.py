"""A small client of the Kubernetes API: a client certificate, the cluster's own CA, one connection."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from generator.errors import UserError

CERTIFICATES = "anywhere/certificates"  # an annotation: see modules/node/agent/expiry.py
REPELLING = ("NoSchedule", "NoExecute")
# What kubectl reads before its first change, by the media type that it asks for: of all objects, and of most.
DESCRIPTIONS = {
    "/openapi/v2": "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "/openapi/v3/api/v1": "application/json",
    "/openapi/v3/apis/apps/v1": "application/json",
}
DESCRIPTION_SECONDS = 180.0
APPLY = "application/apply-patch+yaml"  # a server-side apply; JSON is YAML
PAGE = 200  # objects
SPARING, LONGEST_PAUSE = 4.0, 15.0  # a pause is that many times as long as asking took; seconds


class UnreachableError(UserError):
    """The API does not answer, or not as this cluster's."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the API shows it. `reason` says why it is not `ready`; `boot` is the id of its machine's last boot.

    `taints` are those that keep pods away, as KEY=VALUE:EFFECT; `cordoned` says whether a person keeps new ones away.
    `certificates` are those of its kubelet and when they end, as its machine says: () where it has not said so yet.
    """

    name: str
    ready: bool
    reason: str
    version: str
    address: str
    boot: str = ""
    taints: tuple[str, ...] = ()
    cordoned: bool = False
    certificates: tuple[tuple[str, datetime], ...] = ()


class Client:
    """The API that `kubeconfig` (the decoded document) names. Always verifies it by the cluster's CA."""

    def __init__(self, kubeconfig: Mapping[str, Any], timeout: float = 5.0) -> None:
        cluster = kubeconfig["clusters"][0]["cluster"]
        self._server = urlsplit(cluster["server"])
        self._name = cluster.get("tls-server-name", self._server.hostname)
        self._timeout = timeout
        self._context = _context(cluster, kubeconfig["users"][0]["user"])
        self._connection: _Connection | None = None
        self._asked = 0.0  # seconds that answers took since the last pause

    def get(self, path: str) -> Any:
        """The JSON document at `path`."""
        return json.loads(self._read(path))

    def find(self, path: str) -> Any:
        """The JSON document at `path`; None where there is none."""
        document = json.loads(self._read(path, accepted=(http.client.OK, http.client.NOT_FOUND)))
        return None if document.get("kind") == "Status" else document

    def delete(self, path: str) -> None:
        """Ask for the object at `path` to be deleted; one that is gone is no error."""
        self._read(path, "DELETE", (http.client.OK, http.client.ACCEPTED, http.client.NOT_FOUND))

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge `change` into the object at `path`; one that is gone is no error."""
        self._read(path, "PATCH", (http.client.OK, http.client.NOT_FOUND), json.dumps(change))

    def create(self, path: str, document: Mapping[str, Any]) -> None:
        """Make an object in the collection at `path`; one that is there already is no error, and stays as it is."""
        self._read(path, "POST", (http.client.CREATED, http.client.CONFLICT), json.dumps(document))

    def apply(self, path: str, document: Mapping[str, Any], manager: str) -> None:
        """Have the object at `path` be as `document` says, which need not be there yet: a server-side apply."""
        accepted = (http.client.OK, http.client.CREATED)
        self._read(f"{path}?fieldManager={manager}&force=true", "PATCH", accepted, json.dumps(document), kind=APPLY)

    def replace(self, path: str, document: Mapping[str, Any]) -> None:
        """Write the object at `path` as it was read; one that is gone, or was changed since, is no error."""
        accepted = (http.client.OK, http.client.NOT_FOUND, http.client.CONFLICT)
        self._read(path, "PUT", accepted, json.dumps(document))

    def readyz(self) -> bool:
        """Whether the API server calls itself ready."""
        with suppress(UnreachableError):
            return self._read("/readyz") == b"ok"
        return False

    def nodes(self) -> tuple[Node, ...]:
        """Every node, by name."""
        # resourceVersion 0: from the API server's cache, which spares etcd when asked every second.
        items = self.items("/api/v1/nodes")
        return tuple(sorted((node_of(item) for item in items), key=lambda n: n.name))

    def items(self, path: str) -> Any:
        """The objects of the collection at `path`, from the API server's cache: see `nodes`."""
        return self.get(f"{path}?resourceVersion=0")["items"]

    def stored(self, path: str) -> Iterator[Mapping[str, Any]]:
        """The objects of the collection at `path` as etcd has them, however many there are."""
        after = ""
        while True:
            page = self.get(f"{path}?limit={PAGE}{f'&continue={quote(after)}' if after else ''}")
            yield from page["items"]
            after = page.get("metadata", {}).get("continue", "")
            if not after:
                return

    def last_line(self, namespace: str, pod: str, container: str) -> str:
        """The last log line of a container before its last restart, or since its start; "" where there is none."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines=1"
        for before in ("&previous=true", ""):
            with suppress(UnreachableError):
                if text := self._read(path + before).decode(errors="replace").strip():
                    return text.splitlines()[-1]
        return ""

    def describe_itself(self) -> None:
        """Have the API server write its OpenAPI documents, which it does when first asked and then keeps.

        That takes a slow machine longer than kubectl waits for it (32 s).
        """
        usual, self._timeout = self._timeout, DESCRIPTION_SECONDS
        self.close()
        try:
            for path, media_type in DESCRIPTIONS.items():
                self._read(path, media_type=media_type)
        finally:
            self._timeout = usual
            self.close()

    def pause(self, least: float) -> None:
        """Sleep for `least` seconds before asking again, or longer where answers took long, up to LONGEST_PAUSE.

        A slow API server has no time to spare for whoever waits for it.
        """
        longer, self._asked = min(SPARING * self._asked, LONGEST_PAUSE), 0.0
        time.sleep(max(least, longer))

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _read(
        self,
        path: str,
        method: str = "GET",
        accepted: Sequence[int] = (http.client.OK,),
        body: str | None = None,
        media_type: str = "application/json",
        kind: str = "",
    ) -> bytes:
        """One request, over the connection that is open; a stale one is opened again, once."""
        began = time.monotonic()
        try:
            try:
                return self._ask(path, method, accepted, body, media_type, kind)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.close()
            return self._ask(path, method, accepted, body, media_type, kind)
        except (OSError, http.client.HTTPException) as error:
            raise self._not_reached(error) from None
        finally:
            self._asked += time.monotonic() - began

    def _ask(
        self, path: str, method: str, accepted: Sequence[int], body: str | None, media_type: str, kind: str
    ) -> bytes:
        if self._connection is None:
            self._connection = _Connection(self._server, self._name, self._context, self._timeout)
        kind = kind or ("application/json" if method in ("POST", "PUT") else "application/merge-patch+json")
        headers = {"Accept": media_type} | ({"Content-Type": kind} if body else {})
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status not in accepted:
            said = f"The API answers {method} {path} with {response.status} {response.reason}."
            raise UnreachableError(f"{said} {_reason(answer)}".rstrip())
        return answer

    def _not_reached(self, error: Exception) -> UnreachableError:
        self.close()
        return UnreachableError(
            f"The Kubernetes API at {self._server.geturl()} does not answer: {error}.",
            "`anywhere doctor` says why.",
        )


def _reason(answer: bytes) -> str:
    """Why the API refused a request, in its own words; "" where it has none."""
    try:
        said = json.loads(answer)["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{str(said).rstrip('.')}."


class _Connection(http.client.HTTPSConnection):
    """Dials one address and expects the certificate of another name."""

    def __init__(self, server: Any, name: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(server.hostname, server.port or 443, timeout=timeout, context=context)
        self._tls, self._name = context, name

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)
        except BaseException:
            plain.close()
            raise


def node_of(item: Mapping[str, Any]) -> Node:
    """A Node from its API object."""
    status, spec = item.get("status", {}), item.get("spec", {})
    taints = spec.get("taints", ())
    ready: Mapping[str, str] = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
    addresses = {a["type"]: a["address"] for a in status.get("addresses", ())}
    return Node(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        reason="" if ready.get("status") == "True" else ready.get("message", "the kubelet has not reported yet"),
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        address=addresses.get("InternalIP", ""),
        boot=status.get("nodeInfo", {}).get("bootID", ""),
        taints=tuple(f"{t['key']}={t.get('value', '')}:{t['effect']}" for t in taints if t["effect"] in REPELLING),
        cordoned=spec.get("unschedulable", False),
        certificates=_certificates(item["metadata"].get("annotations", {}).get(CERTIFICATES, "{}")),
    )


def _certificates(said: str) -> tuple[tuple[str, datetime], ...]:
    """What a machine says of its kubelet's certificates; () where that is nonsense, as a node may say what it likes."""
    try:
        found = {str(name): datetime.fromisoformat(at) for name, at in json.loads(said).items()}
    except (ValueError, TypeError, AttributeError):
        return ()
    return tuple(sorted((name, at) for name, at in found.items() if at.tzinfo))


def _context(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=ca)
    # The ssl module reads certificates from files only; these live as long as this call.
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "client.crt"), Path(folder, "client.key")
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.touch(mode=0o600)
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(certificate, key)
    return context
