"""The part of the Docker Engine API that the agent speaks, in memory, served on a Unix socket."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from urllib.parse import parse_qs, unquote, urlsplit


class Refused(Exception):
    """An answer of the engine that is no success: status and message."""


class Engine(ThreadingMixIn, UnixStreamServer):
    """`containers` is {name: {Id, settings, running, files}}; `done` lists what changed something, in order.

    A container may also have `restarts`, how often the engine started it again after it ended, and the `exit` it had.
    `broken` holds images whose containers do not start; `images` is {reference: id}.
    """

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.containers, self.images, self.broken, self.done, self._made = {}, {}, set(), [], 0
        super().__init__(str(path), _Handler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def names(self):
        return set(self.containers)

    def answer(self, method, path, query, body):
        for pattern, verb in _ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                result = getattr(self, verb)(*found.groups(), query, body)
                if method != "GET":
                    self.done.append((verb, *found.groups(), *query.values()))
                return result
        raise Refused(404, f"page not found: {method} {path}")

    def _one(self, name):
        for known, container in self.containers.items():
            if name in (known, container["Id"]):
                return known
        raise Refused(404, f"No such container: {name}")

    def inspect(self, name, _query, _body):
        known = self._one(name)
        container = self.containers[known]
        settings = container["settings"]
        config = {"Labels": settings.get("Labels") or {}}
        config |= {part: settings.get(part) or [] for part in ("Entrypoint", "Cmd")}
        state = {"Running": container["running"], "Pid": 4242 if container["running"] else 0}
        state["Status"] = "running" if container["running"] else "exited" if container.get("started") else "created"
        state["StartedAt"] = "2026-03-01T12:00:30.7Z"
        state["ExitCode"] = container.get("exit", 0)
        answer = {"Id": container["Id"], "Name": f"/{known}", "Config": config, "State": state}
        return answer | {"RestartCount": container.get("restarts", 0)}

    def list(self, query, _body):
        return [
            {"Id": c["Id"], "Names": [f"/{name}"], "Labels": c["settings"].get("Labels") or {}}
            for name, c in self.containers.items()
            if c["running"] or query.get("all") == "true"
        ]

    def image(self, ref, _query, _body):
        if ref not in self.images:
            raise Refused(404, f"No such image: {ref}")
        return {"Id": self.images[ref]}

    def create(self, query, body):
        name = query["name"]
        if name in self.containers:
            raise Refused(409, f"the name {name} is in use")
        self._made += 1
        settings = json.loads(body)
        for volume in settings.get("HostConfig", {}).get("VolumesFrom", []):
            self._one(volume.split(":")[0])
        self.containers[name] = {"Id": f"id{self._made}", "settings": settings, "running": False, "files": b""}
        return {"Id": f"id{self._made}"}

    def start(self, name, _query, _body):
        container = self.containers[self._one(name)]
        if container["settings"]["Image"] in self.broken:
            raise Refused(500, "exec: no such file")
        container["running"] = container["started"] = True

    def stop(self, name, _query, _body):
        self.containers[self._one(name)]["running"] = False

    def rename(self, name, query, _body):
        if query["name"] in self.containers:
            raise Refused(409, f"the name {query['name']} is in use")
        self.containers[query["name"]] = self.containers.pop(self._one(name))

    def remove(self, name, _query, _body):
        del self.containers[self._one(name)]

    def put(self, name, _query, body):
        self.containers[self._one(name)]["files"] = body

    def remove_image(self, ident, _query, _body):
        self.images.pop(ident)

    def tag(self, ident, query, _body):
        self.images[f"{query['repo']}:{query['tag']}"] = ident


_ROUTES = (
    (r"GET /containers/json", "list"),
    (r"POST /containers/create", "create"),
    (r"GET /containers/([^/]+)/json", "inspect"),
    (r"GET /images/(.+)/json", "image"),
    (r"POST /images/(.+)/tag", "tag"),
    (r"DELETE /images/(.+)", "remove_image"),
    (r"POST /containers/([^/]+)/start", "start"),
    (r"POST /containers/([^/]+)/stop", "stop"),
    (r"POST /containers/([^/]+)/rename", "rename"),
    (r"PUT /containers/([^/]+)/archive", "put"),
    (r"DELETE /containers/([^/]+)", "remove"),
)


class _Handler(BaseHTTPRequestHandler):
    def _serve(self):
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, answer = 200, self.server.answer(self.command, unquote(parts.path), query, body)
        except Refused as error:
            status, answer = error.args[0], {"message": error.args[1]}
        data = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status if data else 204)
        if data:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if data:
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 (the names that http.server asks for)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"
