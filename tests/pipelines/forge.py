"""GitHub and GitLab, as far as the steps ask them: one memory of comments, plans and issues behind both APIs."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
BOT_ID, TOKEN = 41, "glpat-of-the-pipeline"
GITHUB, GITLAB = "/repos/team/clusters", "/api/v4/projects/7"


@dataclass
class Forge:
    """What the service knows. A plan is kept for the commit that it was made of, as an archive."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    merged: dict[str, tuple[int, str]] = field(default_factory=dict)  # merge commit -> request, head
    plans: dict[str, bytes] = field(default_factory=dict)
    source: str = "plan"  # the workflow or the job that made the plans
    url: str = ""

    def comment(self, body: str, author: str = BOT) -> dict[str, Any]:
        made = {"id": len(self.comments) + 100, "body": body, "user": {"login": author}}
        made["author"] = {"id": BOT_ID if author == BOT else 1}
        self.comments.append(made)
        return made

    def rewrite(self, number: int, body: str) -> dict[str, Any]:
        (found,) = [comment for comment in self.comments if comment["id"] == number]
        found["body"] = body
        return found

    def issue(self, title: str, body: str) -> dict[str, Any]:
        number = len(self.issues) + 1
        made = {"number": number, "iid": number, "title": title, "body": body, "state": "open", "said": []}
        self.issues.append(made)
        return made

    def keep(self, head: str, folder: Path) -> None:
        """Keep a folder `plan` as the artifact of the run for `head`."""
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"plan/{path.name}")
        self.plans[head] = content.getvalue()

    def run_of(self, head: str) -> int | None:
        return [*self.plans].index(head) + 500 if head in self.plans else None

    def plan_of(self, run: int) -> bytes:
        return [*self.plans.values()][run - 500]


Answer = Callable[..., Any]
ROUTES: list[tuple[str, re.Pattern[str], Answer]] = []


def route(method: str, path: str) -> Callable[[Answer], Answer]:
    def add(answer: Answer) -> Answer:
        ROUTES.append((method, re.compile(path), answer))
        return answer

    return add


def one(found: Iterator[Any]) -> list[Any]:
    return list(found)[:1]


# GitHub


@route("GET", rf"{GITHUB}/issues/(\d+)/comments")
def _(forge: Forge, given: dict[str, str], request: str) -> Any:
    return forge.comments


@route("POST", rf"{GITHUB}/issues/(\d+)/comments")
def _(forge: Forge, given: dict[str, str], request: str) -> Any:
    return forge.comment(given["body"])


@route("PATCH", rf"{GITHUB}/issues/comments/(\d+)")
def _(forge: Forge, given: dict[str, str], number: str) -> Any:
    return forge.rewrite(int(number), given["body"])


@route("GET", rf"{GITHUB}/commits/(\w+)/pulls")
def _(forge: Forge, given: dict[str, str], commit: str) -> Any:
    other = {"number": 6, "merged_at": None, "base": {"ref": "main"}, "head": {"sha": commit}}
    if commit not in forge.merged:
        return [other]
    number, head = forge.merged[commit]
    return [other, {"number": number, "merged_at": "2026-01-01", "base": {"ref": "main"}, "head": {"sha": head}}]


@route("GET", rf"{GITHUB}/actions/workflows/([\w-]+).yml/runs")
def _(forge: Forge, given: dict[str, str], workflow: str) -> Any:
    assert (given["event"], given["status"]) == ("pull_request", "success")
    run = forge.run_of(given["head_sha"]) if workflow == forge.source else None
    return {"workflow_runs": [{"id": run}] if run else []}


@route("GET", rf"{GITHUB}/actions/runs/(\d+)/plan")
def _(forge: Forge, given: dict[str, str], run: str) -> Any:
    return forge.plan_of(int(run))


@route("GET", rf"{GITHUB}/issues")
def _(forge: Forge, given: dict[str, str]) -> Any:
    return [issue for issue in forge.issues if issue["state"] == "open"]


@route("POST", rf"{GITHUB}/issues")
def _(forge: Forge, given: dict[str, str]) -> Any:
    return forge.issue(given["title"], given["body"])


@route("PATCH", rf"{GITHUB}/issues/(\d+)")
def _(forge: Forge, given: dict[str, str], number: str) -> Any:
    issue = forge.issues[int(number) - 1]
    issue["said"] += [given.pop("comment")] if "comment" in given else []
    return issue.update(given) or issue


# GitLab


@route("GET", "/api/v4/user")
def _(forge: Forge, given: dict[str, str]) -> Any:
    return {"id": BOT_ID}


@route("GET", rf"{GITLAB}/merge_requests/(\d+)/notes")
def _(forge: Forge, given: dict[str, str], request: str) -> Any:
    first = (int(given["page"]) - 1) * int(given["per_page"])
    return forge.comments[first : first + int(given["per_page"])]


@route("POST", rf"{GITLAB}/merge_requests/(\d+)/notes")
def _(forge: Forge, given: dict[str, str], request: str) -> Any:
    return forge.comment(given["body"])


@route("PUT", rf"{GITLAB}/merge_requests/\d+/notes/(\d+)")
def _(forge: Forge, given: dict[str, str], number: str) -> Any:
    return forge.rewrite(int(number), given["body"])


@route("GET", rf"{GITLAB}/repository/commits/(\w+)/merge_requests")
def _(forge: Forge, given: dict[str, str], commit: str) -> Any:
    other = {"iid": 6, "state": "opened", "target_branch": "main", "sha": commit}
    if commit not in forge.merged:
        return [other]
    number, head = forge.merged[commit]
    return [other, {"iid": number, "state": "merged", "target_branch": "main", "sha": head}]


@route("GET", rf"{GITLAB}/merge_requests/\d+/pipelines")
def _(forge: Forge, given: dict[str, str]) -> Any:
    source = {"status": "success", "source": "merge_request_event"}
    return [{"id": forge.run_of(head), "sha": head, **source} for head in reversed(forge.plans)]


@route("GET", rf"{GITLAB}/pipelines/(\d+)/jobs")
def _(forge: Forge, given: dict[str, str], pipeline: str) -> Any:
    return [{"id": 1, "name": "validate"}, {"id": int(pipeline), "name": forge.source}]


@route("GET", rf"{GITLAB}/jobs/(\d+)/artifacts")
def _(forge: Forge, given: dict[str, str], job: str) -> Any:
    return forge.plan_of(int(job))


@route("GET", rf"{GITLAB}/issues")
def _(forge: Forge, given: dict[str, str]) -> Any:
    assert (given["state"], given["in"]) == ("opened", "title")
    return [issue for issue in forge.issues if issue["state"] == "open" and given["search"] in issue["title"]]


@route("POST", rf"{GITLAB}/issues")
def _(forge: Forge, given: dict[str, str]) -> Any:
    return forge.issue(given["title"], given["description"])


@route("POST", rf"{GITLAB}/issues/(\d+)/notes")
def _(forge: Forge, given: dict[str, str], number: str) -> Any:
    forge.issues[int(number) - 1]["said"].append(given["body"])
    return {}


@route("PUT", rf"{GITLAB}/issues/(\d+)")
def _(forge: Forge, given: dict[str, str], number: str) -> Any:
    issue = forge.issues[int(number) - 1]
    change = {"state": "closed"} if given.get("state_event") == "close" else {"body": given["description"]}
    return issue.update(change) or issue


@contextmanager
def serve(forge: Forge) -> Iterator[Forge]:
    """Answer for `forge` on loopback, at its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            given = {name: values[0] for name, values in parse_qs(f"{url.query}&{body}").items()}
            if url.path.startswith("/api/v4") and self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.send(401, b'{"message": "401 Unauthorized"}')
            for method, path, answer in ROUTES:
                if method == self.command and (found := path.fullmatch(url.path)):
                    said = answer(forge, given, *found.groups())
                    return self.send(200, said if isinstance(said, bytes) else json.dumps(said).encode())
            return self.send(404, b'{"message": "404 Not Found"}')

        def send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 (the names are the server's)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    forge.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
