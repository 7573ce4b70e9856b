"""A client of the API server, over HTTPS, with a client certificate."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from agent.host import NodeError

NAME, PORT = "kube-apiserver.weave.local", 6443
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


APPLYING = "fieldManager=anywhere&force=true"
WORDS = 400  # characters of an answer that are kept


class ApiError(NodeError):
    """The API server refused a request; `status` is the HTTP status of its answer, `words` what it said."""

    def __init__(self, request: str, status: int, words: str) -> None:
        super().__init__(f"{request}: {status} {words}")
        self.status, self.words = status, words


def _untold(path: str, uid: str) -> None:
    pass


class Api:
    """One identity at the API server, from PEM files; the last two may be the same. `seconds` limits each wait."""

    def __init__(self, ca: Path, certificate: Path, key: Path, seconds: float = 30) -> None:
        self._tls = ssl.create_default_context(cafile=str(ca))
        self._tls.load_cert_chain(str(certificate), str(key))
        self._seconds = seconds
        self._kept: http.client.HTTPSConnection | None = None
        self._alone = threading.RLock()

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Send one request. OSError or HTTPException if there is no answer, ApiError if it is an error.

        The connection is kept, as a new one costs an emulated machine half a second. Threads may share a client.
        """
        text = (body and json.dumps(body)) or ""
        with self._alone:
            fresh = self._kept is None
            self._kept = self._kept or self._connect(self._seconds)
            try:
                return json.loads(_ask(self._kept, method, path, text, kind))
            except (OSError, http.client.HTTPException):
                self._kept.close()
                self._kept = None
                if fresh:
                    raise
        return self.call(method, path, body, kind)

    def apply(self, objects: Iterable[tuple[str, str]], made: Callable[[str, str], None] = _untold) -> None:
        """Server-side apply objects, each by its path and as YAML, in order; `made` is told each path and its UID.

        Errors as of `call`.
        """
        with closing(self._connect(self._seconds)) as connection:
            for path, text in objects:
                answer = _ask(connection, "PATCH", f"{path}?{APPLYING}", text, APPLY)
                made(path, json.loads(answer)["metadata"]["uid"])

    def apply_one(self, path: str, content: Mapping[str, Any]) -> str:
        """Server-side apply one object; its UID. Errors as of `call`."""
        return str(self.call("PATCH", f"{path}?{APPLYING}", content, APPLY)["metadata"]["uid"])

    def watch(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Objects as they are added and modified, until the server closes the stream."""
        parameters = urllib.parse.urlencode({"watch": "true", "timeoutSeconds": "300", **query})
        connection = self._connect(600)
        try:
            connection.request("GET", f"{path}?{parameters}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ApiError(f"watch {path}", answer.status, "")
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]
        finally:
            connection.close()

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(NAME, PORT, context=self._tls, timeout=seconds)


def answers(address: str, tls: ssl.SSLContext, path: str, seconds: float = 5) -> bool:
    """Whether the API server on the machine with this address answers a request with success."""
    connection = http.client.HTTPConnection(address, PORT, timeout=seconds)
    try:
        raw = socket.create_connection((address, PORT), seconds)
        with closing(raw), tls.wrap_socket(raw, server_hostname=NAME) as connection.sock:
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def _ask(connection: http.client.HTTPSConnection, method: str, path: str, body: str, kind: str) -> bytes:
    connection.request(method, path, body.encode() or None, {"Content-Type": kind})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise ApiError(f"{method} {path}", answer.status, _words(text))
    return text


def _words(answer: bytes) -> str:
    """What an answer says: an API server has it as the message of a Status."""
    try:
        said = str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        said = answer.decode(errors="replace")
    return said[:WORDS]
