"""What a GCE instance sees of Google: its metadata server, Cloud Storage and Secret Manager."""

import base64
import hashlib
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
class Store:
    """What machines with etcd keep in a bucket, with the rights that Terraform gives them: see modules/gce."""

    kept: dict[str, bytes] = field(default_factory=dict)
    page: int = 1000  # the most names of one answer

    def __call__(self, request: Request, bucket: str) -> Answer | None:
        """The answer to a request of Cloud Storage's JSON API; None where that is for a document."""
        split = urlsplit(request.path)
        asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        folder, _, name = split.path.rpartition("/")
        match request.method, split.path, asked:
            case "POST", path, _ if path == f"/upload/storage/v1/b/{bucket}/o":
                return self._put(asked, request.body)
            case "GET", path, {"prefix": prefix}:
                if path != f"/storage/v1/b/{bucket}/o":
                    return Answer(404, b"Not Found")
                return self._names(prefix, int(asked.get("pageToken", "0")))
            case "GET", _, {"alt": "media"} if unquote(name) in self.kept:
                return Answer(200, self.kept[unquote(name)])
            case "GET", _, _:
                return None
            case "DELETE", _, {} if folder == f"/storage/v1/b/{bucket}/o":
                return self._delete(unquote(name))
        return error(405, "UNIMPLEMENTED", f"{request.method} {request.path}")

    def _put(self, asked: Mapping[str, str], body: bytes) -> Answer:
        key = asked.get("name", "")
        if asked.get("uploadType") != "media" or not key:
            return error(400, "INVALID_ARGUMENT", "Required parameter: name")
        if not key.startswith("etcd/"):
            return error(403, "PERMISSION_DENIED", f"etcd@galaxy does not have storage.objects.create access to {key}.")
        if key in self.kept and asked.get("ifGenerationMatch") == "0":
            return error(412, "FAILED_PRECONDITION", "At least one of the pre-conditions did not hold.")
        if key in self.kept and not key.startswith("etcd/snapshots/"):
            return error(403, "PERMISSION_DENIED", f"etcd@galaxy does not have storage.objects.delete access to {key}.")
        self.kept[key] = body
        return Answer(200, json.dumps({"kind": "storage#object", "name": key}, indent=2).encode())

    def _names(self, prefix: str, start: int) -> Answer:
        if not prefix.startswith("etcd/"):
            return error(403, "PERMISSION_DENIED", "etcd@galaxy does not have storage.objects.list access.")
        found = [{"name": key} for key in sorted(self.kept) if key.startswith(prefix)]
        end = start + self.page
        more = {"nextPageToken": str(end)} if end < len(found) else {}
        return Answer(200, json.dumps(({"items": found[start:end]} if found else {}) | more, indent=2).encode())

    def _delete(self, key: str) -> Answer:
        if not key.startswith("etcd/snapshots/"):
            return error(403, "PERMISSION_DENIED", f"etcd@galaxy does not have storage.objects.delete access to {key}.")
        return (
            Answer(204) if self.kept.pop(key, None) is not None else error(404, "NOT_FOUND", f"No such object: {key}")
        )


@dataclass
class Services:
    objects: Mapping[str, bytes]
    secrets: Mapping[str, bytes]  # latest versions
    denied: set[str] = field(default_factory=set)
    store: "Store" = field(default_factory=lambda: Store())
    project: str = PROJECT
    bucket: str = BUCKET

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.host == HOSTS[0]:
            stored = self.store(request, self.bucket)
            return stored or self._object(request.path, request.headers.get("if-none-match", ""))
        if request.method != "GET":
            return error(405, "UNIMPLEMENTED", "Only GET is for machines.")
        return self._version(request.path)

    def _object(self, path: str, known: str) -> Answer:
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
        tag = hashlib.sha256(self.objects[key]).hexdigest()  # Google's are not in quotes
        return Answer(304, b"", {"ETag": tag}) if tag == known else Answer(200, self.objects[key], {"ETag": tag})

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
