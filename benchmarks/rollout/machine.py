"""One pass of a machine over its release: the agent's own turns, around work that is only waited for."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import containers, halts, host, node_certificates, turns
from agent.files import write
from agent.host import Host, NodeError
from agent.turns import Stop, Waiting, worker

from benchmarks.rollout.place import HOST, Place
from benchmarks.rollout.releases import BAD
from benchmarks.rollout.store import RELEASE

ROLE = "worker"


@dataclass(frozen=True, slots=True)
class Machine:
    """A worker with a folder of its own; what it replaces takes `work` seconds."""

    name: str
    place: Place
    work: float

    @property
    def folder(self) -> Path:
        return self.place.folder / "machines" / self.name

    @property
    def certificate(self) -> Path:
        return self.folder / "kubelet-client-current.pem"

    @property
    def runs(self) -> Path:
        """The identity of what each component runs."""
        return self.folder / "runs.json"

    @property
    def failed(self) -> Path:
        """Is there once it had put something back."""
        return self.folder / "failed"

    def touched(self, digest: str) -> Path:
        """Is there once something was stopped for this release."""
        return self.folder / f"touched-{digest[:12]}"

    def begin(self, release: Mapping[str, Any]) -> None:
        """Run a release already."""
        specs = release["roles"][ROLE]["containers"]
        write(self.runs, json.dumps({spec["component"]: containers.identity_of(release, spec) for spec in specs}))


def look(machine: Machine) -> None:
    """What the timer starts. It has this process to itself, as the agent keeps what it knows of its machine there."""
    machine.place.lead()
    node_certificates.CA, node_certificates.CLIENT = machine.place.ca, machine.certificate
    worker.REPORTED = machine.folder / "reported"
    halts.RUN = machine.folder  # type: ignore[attr-defined]  # it has it of `agent.host`
    text = _fetch(machine)
    release, digest = host.release(text), hashlib.sha256(text.encode()).hexdigest()
    own = turns.load(release, Host(machine.name, ROLE, ROLE, HOST, HOST, 1500), digest)
    with redirect_stdout(None), suppress(Waiting, NodeError):  # all of it is for the machine's console
        _converge(machine, release, digest, own)
        own.finish()


def _fetch(machine: Machine) -> str:
    """The release; as `anywhere-converge` and curl do it, only where it is not the last one."""
    last, tag = machine.folder / RELEASE, machine.folder / "release.tag"
    connection = http.client.HTTPConnection(HOST, machine.place.store, timeout=60)
    known = {"If-None-Match": tag.read_text()} if tag.exists() else {}
    connection.request("GET", f"/{RELEASE}", headers=known)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status == 304:
        return last.read_text()
    if answer.status != 200:
        raise OSError(f"{RELEASE}: {answer.status} {text}")
    last.write_text(text)
    tag.write_text(answer.headers["ETag"])
    return text


def _converge(machine: Machine, release: Mapping[str, Any], digest: str, own: turns.Turns) -> None:
    """Replace what differs, each component in its turn."""
    known = json.loads(machine.runs.read_text())
    for spec in release["roles"][ROLE]["containers"]:
        identity = containers.identity_of(release, spec)
        if known.get(spec["component"]) != identity:
            with own.take(Stop(spec["component"], identity, lambda: True)):
                machine.touched(digest).touch()
                time.sleep(machine.work)
                if BAD in spec["command"]:
                    machine.failed.touch()
                    raise NodeError(f"it ended 5 times, with exit 1; log: Error: unknown flag: {BAD}")
            known[spec["component"]] = identity
            write(machine.runs, json.dumps(known))
