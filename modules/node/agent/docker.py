"""The Docker Engine, over its socket: one call costs milliseconds, the command line a quarter second."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import urllib.parse
from typing import Any

from agent.host import NodeError

SOCKET = "/run/docker.sock"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """One engine. `path` is its socket: the engine's own, or that of a proxy which adds a network."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path

    def call(self, method: str, url: str, body: Any = None, *, timeout: float = 300, **query: str) -> Any:
        """One request; a JSON answer is decoded. NodeError carries the engine's message."""
        connection = _Connection(self._path, timeout)
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        target = f"{url}?{urllib.parse.urlencode(query)}" if query else url
        try:
            connection.request(method, target, raw, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        except OSError as error:
            raise NodeError(f"docker {method} {url}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise NodeError(f"docker {method} {url}: {answer.status} {text.decode(errors='replace').strip()[:300]}")
        return json.loads(text) if answer.headers.get("Content-Type", "").startswith("application/json") else None

    def inspect(self, name: str) -> dict[str, Any] | None:
        """A container; None if none has that name."""
        return self._maybe(f"/containers/{name}/json")

    def image_id(self, ref: str) -> str | None:
        """The id of the image that `ref` names here; None if it is not loaded."""
        image = self._maybe(f"/images/{ref}/json")
        return str(image["Id"]) if image else None

    def _maybe(self, url: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self.call("GET", url)
        except NodeError as error:
            if ": 404 " in str(error):
                return None
            raise
        return answer

    def create(self, name: str, settings: dict[str, Any]) -> str:
        return str(self.call("POST", "/containers/create", settings, name=name)["Id"])

    def start(self, name: str) -> None:
        self.call("POST", f"/containers/{name}/start")

    def stop(self, name: str, seconds: int) -> None:
        self.call("POST", f"/containers/{name}/stop", t=str(seconds))

    def rename(self, name: str, to: str) -> None:
        self.call("POST", f"/containers/{name}/rename", name=to)

    def remove(self, name: str) -> None:
        """Remove a container with its anonymous volumes, if it exists."""
        if self.inspect(name) is not None:
            self.call("DELETE", f"/containers/{name}", v="true", force="true")

    def put(self, name: str, tar: bytes) -> None:
        """Unpack `tar` at the root of container `name`."""
        self.call("PUT", f"/containers/{name}/archive", tar, path="/")

    def log_tail(self, name: str, lines: int = 5) -> str:
        """The last lines that a container logged, on either output, joined into one; "" where there is none."""
        command = ["docker", "logs", "--tail", str(lines), name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return "" if done.returncode else " | ".join(done.stdout.decode(errors="replace").split("\n")).strip(" |")
