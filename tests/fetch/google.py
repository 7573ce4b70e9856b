"""What a GCE instance sees of Google: its metadata server, Cloud Storage and Secret Manager."""

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fetch.endpoint import Answer, Request

PROJECT, BUCKET = "galaxy-1138", "galaxy-star-wars-documents"
HOSTS = ("storage.googleapis.com", "secretmanager.googleapis.com")
TOKEN = "ya29.c.b0Aa-token_of.the-role........"
ETAG = "5a1b0c3d5e7f9a2b"
ACCOUNT = "instance/service-accounts/default/token"


@dataclass
class Instance:
    """The metadata server of one instance."""

    paths: dict[str, str]  # under computeMetadata/v1/
    changed: threading.Event = field(default_factory=threading.Event)  # ends the wait of who waits for a change

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in request.headers:
            return Answer(403, b"Missing required header")
        split = urlsplit(request.path)
        asked = parse_qs(split.query)
        if asked.get("wait_for_change") == ["true"] and asked.get("last_etag") == [ETAG]:
            self.changed.wait(float(asked.get("timeout_sec", ["60"])[0]))
        path = re.sub("/+", "/", split.path.removeprefix("/computeMetadata/v1/")).removeprefix("/")
        if asked.get("recursive") == ["true"]:
            return Answer(
                200, json.dumps(self._tree(path)).encode(), {"ETag": ETAG, "Content-Type": "application/json"}
            )
        return Answer(200, self.paths[path].encode()) if path in self.paths else Answer(404, b"<html>no</html>")

    def _tree(self, folder: str) -> dict[str, Any]:
        """All below a folder, under the names that JSON has for them; those of attributes are people's own."""
        tree: dict[str, Any] = {}
        for path, value in self.paths.items():
            if not path.startswith(folder):
                continue
            *above, name = path.removeprefix(folder).split("/")
            inside = tree
            for step in above:
                inside = inside.setdefault(_camel(step), {})
            inside[name if "attributes/" in path else _camel(name)] = value
        return tree


def _camel(name: str) -> str:
    return re.sub("-(.)", lambda found: found[1].upper(), name)


def account() -> dict[str, str]:
    """The metadata of an instance with a service account."""
    return {ACCOUNT: json.dumps({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})}


def error(code: int, status: str, message: str) -> Answer:
    """An error as Google's APIs write it."""
    body = {"error": {"code": code, "message": message, "errors": [{"domain": "global"}], "status": status}}
    return Answer(code, json.dumps(body, indent=2).encode(), {"Content-Type": "application/json; charset=UTF-8"})


@dataclass
class Services:
    objects: Mapping[str, bytes]
    secrets: Mapping[str, bytes]  # latest versions
    denied: set[str] = field(default_factory=set)
    project: str = PROJECT
    bucket: str = BUCKET

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.method != "GET":
            return error(405, "UNIMPLEMENTED", "Only GET is for machines.")
        serve = {HOSTS[0]: self._object, HOSTS[1]: self._version}
        return serve[request.host](request.path)

    def _object(self, path: str) -> Answer:
        """Cloud Storage's JSON API; a download's errors are plain text."""
        split = urlsplit(path)
        folder, _, name = split.path.rpartition("/")
        if folder != f"/storage/v1/b/{self.bucket}/o" or parse_qs(split.query) != {"alt": ["media"]}:
            return Answer(404, b"Not Found")
        key = unquote(name)
        if key in self.denied:
            return Answer(403, f"worker@galaxy does not have storage.objects.get access to {key}.".encode())
        if key not in self.objects:
            return Answer(404, f"No such object: {self.bucket}/{key}".encode())
        return Answer(200, self.objects[key])

    def _version(self, path: str) -> Answer:
        name = path.removeprefix(f"/v1/projects/{self.project}/secrets/").removesuffix("/versions/latest:access")
        if name in self.denied:
            words = f"Permission 'secretmanager.versions.access' denied for resource '{name}' (or it may not exist)."
            return error(403, "PERMISSION_DENIED", words)
        if name not in self.secrets:
            return error(404, "NOT_FOUND", f"Secret [projects/1/secrets/{name}] not found or has no versions.")
        payload = {"data": base64.b64encode(self.secrets[name]).decode(), "dataCrc32c": "42"}
        full = {"name": f"projects/1/secrets/{name}/versions/3", "payload": payload}
        return Answer(200, json.dumps(full, indent=2).encode())
