"""Google's APIs as a small server of ours: what a project has, in memory, as their JSON, and faults on demand.

`python -m tests.gce.cloud` serves a project that has all that a cluster needs, for `make offline`.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PROJECT, NUMBER, REGION = "my-project", "123456789012", "europe-west1"
ZONES = [f"{REGION}-{letter}" for letter in "bcd"]
COMPUTE = f"/compute/v1/projects/{PROJECT}"
REGIONS = [REGION, "europe-west4", "us-east1"]
TYPES = {  # CPUS and MiB, as Google has them
    **{"e2-small": (2, 2048), "e2-medium": (2, 4096)},
    **{f"{family}-standard-{n}": (n, n * 4096) for family in ("e2", "n2", "c4a") for n in (1, 2, 4, 8)},
}
QUOTAS = {
    **{"CPUS": 72, "N2_CPUS": 72, "PREEMPTIBLE_CPUS": 0, "INSTANCES": 720},
    **{"SSD_TOTAL_GB": 2048, "HDB_TOTAL_GB": 2048, "IN_USE_ADDRESSES": 8, "STATIC_ADDRESSES": 8},
}
PROJECT_QUOTAS = {"CPUS_ALL_REGIONS": 32, "NETWORKS": 5}
SHARED = {"network": {"name": "shared", "subnetwork": "nodes"}}  # of a definition
APIS = ("compute", "secretmanager", "storage", "iam", "cloudkms")


class Cloud:
    """The project. Lists hold resources as the APIs show them; `refuse` makes one kind of request fail."""

    def __init__(self, project: str = PROJECT) -> None:
        self.project, self.url = project, ""
        self.reset()

    def reset(self) -> None:
        self.asked: list[str] = []
        self.faults: list[list[Any]] = []
        self.failures: list[tuple[re.Pattern[str], int, str, str]] = []
        self.apis = dict.fromkeys(APIS, "ENABLED")
        self.zones = dict.fromkeys(ZONES, "UP")
        self.types = {zone: dict(TYPES) for zone in ZONES}
        self.quotas = {metric: [limit, 0] for metric, limit in QUOTAS.items()}
        self.project_quotas = {metric: [limit, 0] for metric, limit in PROJECT_QUOTAS.items()}
        self.keys: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.things: dict[str, list[dict[str, Any]]] = {}
        self.consoles: dict[str, str] = {}
        self.lost: dict[str, int] = {}  # characters of a console that Google has forgotten
        self.buckets: dict[str, dict[str, Any]] = {}
        self.objects: dict[tuple[str, str], Any] = {}
        self.secrets: list[dict[str, Any]] = []
        self.accounts: list[dict[str, Any]] = []

    def add(self, kind: str, name: str, scope: str = "global", **fields: Any) -> str:
        """A resource of `kind` (instances, disks, ...) in `scope` (a zone, a region or global); its address."""
        where = "zones" if scope in self.zones else "regions"
        path = "global" if scope == "global" else f"{where}/{scope}"
        link = f"https://www.googleapis.com/compute/v1/projects/{self.project}/{path}/{kind}/{name}"
        if scope != "global":
            fields[where[:-1]] = f"projects/{self.project}/{where}/{scope}"
        self.things.setdefault(kind, []).append({"name": name, "selfLink": link, **fields, "scope": path})
        return link

    def share(self, **fields: Any) -> None:
        """A network `shared` with a subnetwork `nodes`, and the routes that Google makes for them."""
        network = self.add("networks", "shared", autoCreateSubnetworks=False)
        given = {"ipCidrRange": "10.20.0.0/20", "privateIpGoogleAccess": True, "purpose": "PRIVATE", **fields}
        self.add("subnetworks", "nodes", REGION, network=network, **given)
        gateway = (
            f"https://www.googleapis.com/compute/v1/projects/{self.project}/global/gateways/default-internet-gateway"
        )
        self.route("default-route-1", "0.0.0.0/0", nextHopGateway=gateway)
        self.route("default-route-r-2", given["ipCidrRange"], 0, nextHopNetwork=network, routeType="SUBNET")

    def route(self, name: str, cidr: str, priority: int = 1000, **fields: Any) -> None:
        """A route of the network `shared`."""
        network = f"https://www.googleapis.com/compute/v1/projects/{self.project}/global/networks/shared"
        given = {"routeType": "STATIC", **fields}
        self.add("routes", name, network=network, destRange=cidr, priority=priority, **given)

    def refuse(
        self,
        pattern: str,
        status: int,
        reason: str = "",
        message: str = "no",
        times: int | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        """Answer requests `METHOD PATH` that match with an error, `times` times or always; `facts`: as ErrorInfo."""
        self.faults.append([re.compile(pattern), times, status, _error(status, reason, message, facts)])

    def answer_with(self, pattern: str, text: str, status: int = 200) -> None:
        """Answer requests that match with something that is no JSON."""
        self.faults.append([re.compile(pattern), None, status, text])

    def fail(self, pattern: str, status: int, code: str, message: str) -> None:
        """Take requests that match, and let the operation that they begin fail. Nothing is changed."""
        self.failures.append((re.compile(pattern), status, code, message))

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Status and JSON."""
        request = f"{method} {path}"
        self.asked.append(request)
        for fault in self.faults:
            if fault[0].search(request) and fault[1] != 0:
                fault[1] = fault[1] and fault[1] - 1
                return fault[2], fault[3]
        for wanted, status, code, message in self.failures:
            if wanted.search(request):
                return 200, _failed(path, status, code, message)
        for pattern, handler in _ROUTES:
            if match := re.fullmatch(pattern, request):
                found = handler(self, query, body, *match.groups())
                return (404, _error(404, "notFound", f"{path} was not found")) if found is None else (200, found)
        return 404, _error(404, "notFound", f"this server has no {request}")


def _error(status: int, reason: str, message: str, facts: dict[str, str] | None = None) -> dict[str, Any]:
    """Older APIs list `errors`; newer ones have an ErrorInfo in `details`."""
    words = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    error: dict[str, Any] = {"code": status, "message": message, "status": words.get(status, "")}
    if facts is None:
        return {"error": {**error, "errors": [{"reason": reason, "message": message, "domain": "global"}]}}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": facts}
    return {"error": {**error, "details": [info]}}


def _failed(path: str, status: int, code: str, message: str) -> dict[str, Any]:
    match = re.search(r"projects/[^/]+/((?:zones|regions)/[^/]+|global)", path)
    said = {"error": {"errors": [{"code": code, "message": message}]}, "httpErrorStatusCode": status}
    return {**_done(match[1] if match else "global"), **said, "httpErrorMessage": message}


# --- Compute


def _quotas(quotas: dict[str, list[int]]) -> list[dict[str, Any]]:
    return [{"metric": metric, "limit": limit, "usage": used} for metric, (limit, used) in quotas.items()]


def _project(cloud: Cloud, query: Any, body: Any) -> Any:
    return {"name": cloud.project, "quotas": _quotas(cloud.project_quotas)}


def _region(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    return {"name": name, "status": "UP", "quotas": _quotas(cloud.quotas)} if name in REGIONS else None


def _regions(cloud: Cloud, query: Any, body: Any) -> Any:
    return {"items": [{"name": name, "status": "UP"} for name in REGIONS]}


def _zones(cloud: Cloud, query: Any, body: Any) -> Any:
    region = f"https://www.googleapis.com/compute/v1/projects/{cloud.project}/regions/{REGION}"
    elsewhere = {"name": "us-east1-b", "status": "UP", "region": region.replace(REGION, "us-east1")}
    return {"items": [elsewhere, *({"name": n, "status": s, "region": region} for n, s in cloud.zones.items())]}


def _described(cloud: Cloud, zone: str, name: str) -> Any:
    cpus, memory = cloud.types.get(zone, {}).get(name, (0, 0))
    architecture = "ARM64" if name.startswith("c4a") else "X86_64"
    kind = {"name": name, "zone": zone, "guestCpus": cpus, "memoryMb": memory, "architecture": architecture}
    return kind if cpus else None


def _type(cloud: Cloud, query: Any, body: Any, zone: str, name: str) -> Any:
    """A type of one's own numbers is nowhere listed."""
    numbers = re.fullmatch(r"[a-z0-9]+-custom-(\d+)-(\d+)", name)
    if numbers and zone in cloud.types:
        return {"name": name, "zone": zone, "guestCpus": int(numbers[1]), "memoryMb": int(numbers[2])}
    return _described(cloud, zone, name)


def _types(cloud: Cloud, query: dict[str, list[str]], body: Any) -> Any:
    """A filter of the form `(name = "A") OR (name = "B")`."""
    names = re.findall(r'\(name = "([^"]+)"\)', query["filter"][0])
    found = {zone: [kind for name in names if (kind := _described(cloud, zone, name))] for zone in cloud.types}
    return {"items": {f"zones/{zone}": {"machineTypes": kinds} for zone, kinds in found.items() if kinds}}


def _family(cloud: Cloud, query: Any, body: Any, family: str) -> Any:
    arch = "arm64-" if family.endswith("arm64") else ""
    return {"name": f"debian-13-trixie-{arch}v20261111"} if family.startswith("debian-13") else None


def _image(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    for image in cloud.things.get("images", ()):
        if image["name"] == name:
            return _shown(image)
    if "debian-13" not in name:
        return None
    return {"name": name, "status": "READY", "architecture": "ARM64" if "arm64" in name else "X86_64"}


def _matching(cloud: Cloud, kind: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Things that a filter of the form `labels.KEY = VALUE` lets through, in pages of two."""
    wanted = re.fullmatch(r"labels\.(\S+) = (\S+)", query.get("filter", [""])[0])
    found = cloud.things.get(kind, [])
    return [t for t in found if not wanted or t.get("labels", {}).get(wanted[1]) == wanted[2]]


def _aggregated(cloud: Cloud, query: Any, body: Any, kind: str) -> Any:
    empty = {"zones/us-east1-b": {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "nothing here"}}}
    found = _matching(cloud, kind, query)
    start = int(query.get("pageToken", ["0"])[0])
    page = found[start : start + 2]
    scopes: dict[str, Any] = dict(empty)
    for thing in page:
        scopes.setdefault(thing["scope"], {kind: []})[kind].append(_shown(thing))
    following = {"nextPageToken": str(start + 2)} if start + 2 < len(found) else {}
    return {"items": scopes, **following}


def _list(cloud: Cloud, query: Any, body: Any, scope: str, kind: str) -> Any:
    return {"items": [_shown(t) for t in _matching(cloud, kind, query) if t["scope"] == scope]}


def _get(cloud: Cloud, query: Any, body: Any, scope: str, kind: str, name: str) -> Any:
    found = [t for t in cloud.things.get(kind, ()) if (t["scope"], t["name"]) == (scope, name)]
    return _shown(found[0]) if found else None


def _delete(cloud: Cloud, query: Any, body: Any, scope: str, kind: str, name: str) -> Any:
    kept = [t for t in cloud.things.get(kind, ()) if (t["scope"], t["name"]) != (scope, name)]
    if len(kept) == len(cloud.things.get(kind, ())):
        return None
    cloud.things[kind] = kept
    return _done(scope)


def _done(scope: str) -> dict[str, Any]:
    where, _, name = scope.partition("/")
    place = {where[:-1]: f"projects/{PROJECT}/{scope}"} if name else {}
    return {"name": "operation-1", "status": "DONE", **place}


def _shown(thing: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if key != "scope"}


def _console(cloud: Cloud, query: Any, body: Any, zone: str, name: str) -> Any:
    text = cloud.consoles.get(name, "")
    start = max(int(query.get("start", ["0"])[0]), cloud.lost.get(name, 0))
    return {"contents": text[start:], "start": str(start), "next": str(len(text))}


def _detach(cloud: Cloud, query: Any, body: Any, zone: str, name: str) -> Any:
    for disk in cloud.things["disks"]:
        disk["users"] = [user for user in disk.get("users", ()) if not user.endswith(f"/{name}")]
    return _done(f"zones/{zone}")


def _members(cloud: Cloud, query: Any, body: Any, zone: str, name: str) -> Any:
    found = [g for g in cloud.things["instanceGroups"] if (g["scope"], g["name"]) == (f"zones/{zone}", name)]
    return {"items": [{"instance": member} for member in found[0]["members"]]}


def _operation(cloud: Cloud, query: Any, body: Any, scope: str) -> Any:
    return _done(scope)


# --- The others


def _services(cloud: Cloud, query: dict[str, list[str]], body: Any, project: str) -> Any:
    if project != cloud.project:
        return None
    names = [name.rpartition("/")[2] for name in query.get("names", ())]
    states = {name: cloud.apis.get(name.split(".")[0], "DISABLED") for name in names}
    return {"services": [{"name": f"projects/{NUMBER}/services/{n}", "state": state} for n, state in states.items()]}


def _key(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    return cloud.keys.get(name)


def _policy(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    return cloud.policies.get(name, {}) if name in cloud.keys else None


def _bucket(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    return cloud.buckets.get(name)


def _buckets(cloud: Cloud, query: dict[str, list[str]], body: Any) -> Any:
    prefix = query.get("prefix", [""])[0]
    return {"items": [bucket for name, bucket in cloud.buckets.items() if name.startswith(prefix)]}


def _make_bucket(cloud: Cloud, query: Any, body: Any) -> Any:
    cloud.buckets[body["name"]] = {"projectNumber": NUMBER, **body}
    return cloud.buckets[body["name"]]


def _mend_bucket(cloud: Cloud, query: Any, body: Any, name: str) -> Any:
    cloud.buckets[name] |= body
    return cloud.buckets[name]


def _object(cloud: Cloud, query: dict[str, list[str]], body: Any, bucket: str, name: str) -> Any:
    content = cloud.objects.get((bucket, unquote(name)))
    if content is None or query.get("alt") == ["media"]:
        return content
    return {"name": unquote(name), "generation": "1764000000000042", "timeCreated": "2026-11-24T07:00:00Z"}


def _secrets(cloud: Cloud, query: dict[str, list[str]], body: Any) -> Any:
    key, _, value = query["filter"][0].removeprefix("labels.").partition("=")
    return {"secrets": [s for s in cloud.secrets if s.get("labels", {}).get(key) == value]}


def _accounts(cloud: Cloud, query: dict[str, list[str]], body: Any) -> Any:
    start = int(query.get("pageToken", ["0"])[0])
    following = {"nextPageToken": str(start + 1)} if start + 1 < len(cloud.accounts) else {}
    return {"accounts": cloud.accounts[start : start + 1], **following}


_SCOPE = r"(global|zones/[^/]+|regions/[^/]+)"
_P = r"/compute/v1/projects/[^/]+"
_STORAGE = "/storage.googleapis.com/storage/v1/b"
_ROUTES = [
    (rf"GET {_P}", _project),
    (rf"GET {_P}/regions", _regions),
    (rf"GET {_P}/regions/([^/]+)", _region),
    (rf"GET {_P}/zones", _zones),
    (rf"GET {_P}/zones/([^/]+)/machineTypes/([^/]+)", _type),
    (rf"GET {_P}/aggregated/machineTypes", _types),
    (rf"GET {_P}/global/images/family/([^/]+)", _family),
    (rf"GET {_P}/global/images/([^/]+)", _image),
    (rf"GET {_P}/aggregated/([^/]+)", _aggregated),
    (rf"GET {_P}/zones/([^/]+)/instances/([^/]+)/serialPort", _console),
    (rf"POST {_P}/zones/([^/]+)/instances/([^/]+)/detachDisk", _detach),
    (rf"POST {_P}/zones/([^/]+)/instanceGroups/([^/]+)/listInstances", _members),
    (rf"GET {_P}/{_SCOPE}/operations/[^/]+", _operation),
    (rf"GET {_P}/{_SCOPE}/([^/]+)", _list),
    (rf"GET {_P}/{_SCOPE}/([^/]+)/([^/]+)", _get),
    (rf"DELETE (?:/compute\.googleapis\.com)?{_P}/{_SCOPE}/([^/]+)/([^/]+)", _delete),
    (r"GET /serviceusage\.googleapis\.com/v1/projects/([^/]+)/services:batchGet", _services),
    (r"GET /cloudkms\.googleapis\.com/v1/([^:]+)", _key),
    (r"GET /cloudkms\.googleapis\.com/v1/([^:]+):getIamPolicy", _policy),
    (rf"GET {_STORAGE}", _buckets),
    (rf"POST {_STORAGE}", _make_bucket),
    (rf"GET {_STORAGE}/([^/]+)", _bucket),
    (rf"PATCH {_STORAGE}/([^/]+)", _mend_bucket),
    (rf"GET {_STORAGE}/([^/]+)/o/(.+)", _object),
    (r"GET /secretmanager\.googleapis\.com/v1/projects/[^/]+/secrets", _secrets),
    (r"GET /iam\.googleapis\.com/v1/projects/[^/]+/serviceAccounts", _accounts),
]


def serve(cloud: Cloud) -> ThreadingHTTPServer:
    """A server of `cloud` on loopback, at `cloud.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            parts = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(text) if text.startswith(b"{") else None
            status, found = cloud.answer(self.command, parts.path, parse_qs(parts.query), body)
            data = (found if isinstance(found, str) else json.dumps(found)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cloud.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def main() -> None:
    """Serve until standard input ends; the address is the first line of output."""
    cloud = Cloud()
    serve(cloud)
    sys.stdout.write(f"{cloud.url}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
