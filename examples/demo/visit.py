"""A request through all services of the demo, and what came of it as a person reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from examples.demo.objects import COLLECTIONS
from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError

SERVICES = ("frontend", "users", "app-mapper", "metrics", "dbshell", "database")
# Through the API server, so that nothing else of the cluster need be reached from here.
VISIT = f"{COLLECTIONS['Service']}/frontend:http/proxy/api/visit"
POLL = 2.0


def through_all(client: Client, timeout: float) -> Mapping[str, Any]:
    """The answer to a request that went through all services; UserError where none has within `timeout` seconds."""
    end, lacking = time.monotonic() + timeout, ""
    while time.monotonic() < end:
        try:
            answer: Mapping[str, Any] = client.get(VISIT)
        except UnreachableError as error:
            lacking = str(error)
        else:
            if not (absent := [name for name in SERVICES if name not in set(services(answer["trace"]))]):
                return answer
            lacking = f"It lacks {', '.join(absent)}."
        client.pause(POLL)
    raise UserError(
        f"No request went through all services within {timeout:.0f} s. {lacking}",
        "`kubectl --namespace demo logs --prefix --selector app=frontend` has what the frontend says.",
    )


def services(span: Mapping[str, Any]) -> Iterator[str]:
    """The names in a trace, as often as each was asked."""
    yield span["service"]
    for call in span.get("calls", ()):
        yield from services(call)


def drawing(answer: Mapping[str, Any]) -> str:
    """What was asked and by which way, as text. Pure."""
    visit = answer["value"]
    user, application = visit["user"], visit["application"]
    rows = list(_rows(answer["trace"], "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        f"{name.ljust(widths[0])}  {took.rjust(widths[1])}  {pod.ljust(widths[2])}  {machine}"
        for name, took, pod, machine in rows
    )
    said = f"{user['name']} of {user['home']} uses {application['name']}, which {application['owner']} owns."
    return "\n".join([f"{said} Requests so far: {visit['requests']}.", "", *lines])


def _rows(span: Mapping[str, Any], branch: str, below: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each part of a trace: its service in a tree, its time, its pod, its machine."""
    yield f"{branch}{span['service']}", f"{span['milliseconds']:.1f} ms", span["pod"], span["machine"]
    calls = span.get("calls", ())
    for number, call in enumerate(calls, 1):
        last = number == len(calls)
        yield from _rows(call, f"{below}{'└─ ' if last else '├─ '}", f"{below}{'   ' if last else '│  '}")
