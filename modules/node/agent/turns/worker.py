"""The turns of workers: the masters give them, by an annotation of the node. See `agent.rollout`."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from agent import cordon, halts, node_certificates
from agent.api import MERGE, Api
from agent.files import put
from agent.host import RUN, Host, NodeError
from agent.turns import DEBIAN, Stop, Waiting

# Annotations of the node: the release that the masters give a turn for, that it waits for, and that it runs.
TURN, WAITS, RELEASE, HALTED = "anywhere/turn", "anywhere/waits", "anywhere/release", "anywhere/halted"
# That its packages take a boot, and that its pods are elsewhere, so that it may.
BOOTS, EMPTIED = "anywhere/boots", "anywhere/emptied"
REPORTED = RUN / "reported"  # the release that this node's annotation was given, and when
AGAIN_SECONDS = 600  # given again, as the node may have been registered anew, or restored from a snapshot
UNREACHED = (NodeError, OSError, http.client.HTTPException)  # the API does not answer, or refuses


class Worker:
    """See `agent.turns.Turns`; with the identity of the machine's own kubelet."""

    def __init__(self, me: Host, digest: str) -> None:
        self._me, self._digest = me, digest
        self._path = f"/api/v1/nodes/{me.name}"
        self._seen: Mapping[str, str | None] = {}

    @contextmanager
    def take(self, stop: Stop) -> Iterator[None]:
        given = self._given(stop)
        if not given and stop.serving():
            with suppress(*UNREACHED):
                self._annotate({WAITS: self._digest})
            raise Waiting("the masters, who give each worker its turn")
        if not given:
            halts.refuse_alone(stop.component, stop.identity)
        try:
            yield
        except NodeError as error:
            halts.record_alone(stop.component, stop.identity)
            with suppress(*UNREACHED):
                halt = {"component": stop.component, "identity": stop.identity, "release": self._digest}
                self._annotate({HALTED: json.dumps({**halt, "reason": str(error)[:500]})})
            raise

    def hold(self, stop: Stop) -> AbstractContextManager[None]:
        return nullcontext()  # no other machine is missed less

    def away(self, stop: Stop) -> None:
        try:
            if self._annotations().get(EMPTIED) != self._digest:
                self._annotate({BOOTS: self._digest})
                raise Waiting("the masters, who move its pods before it boots")
        except UNREACHED as error:
            raise Waiting(f"the API: {error}") from error

    def back(self) -> None:
        try:
            cordon.wait_ready(self._api().call("GET", self._path))
        except UNREACHED as error:
            raise Waiting(f"the API: {error}") from error

    def done(self, component: str, identity: str) -> None:
        """Nothing: the masters ask for the whole release alone."""

    def finish(self) -> None:
        known, _, at = REPORTED.read_text().partition(" ") if REPORTED.exists() else ("", "", "0")
        if known == self._digest and time.monotonic() - float(at) < AGAIN_SECONDS:
            return
        try:
            self._annotate({RELEASE: self._digest, WAITS: None, HALTED: None, BOOTS: None, EMPTIED: None})
        except UNREACHED as error:
            return print(f"not reported yet: {error}", flush=True)
        put(REPORTED, f"{self._digest} {time.monotonic()}")

    def _given(self, stop: Stop) -> bool:
        """Whether the masters gave this machine its turn for the release; NodeError where it put that back before."""
        try:
            annotations = self._annotations()
        except UNREACHED:
            return False
        halted = json.loads(annotations.get(HALTED, "{}"))
        if (halted.get("component"), halted.get("identity")) == (stop.component, stop.identity):
            did = "its packages were not updated" if stop.component == DEBIAN else f"{stop.component} was put back"
            raise NodeError(f"{did}: {halted['reason']}")
        return bool(annotations.get(TURN) == self._digest)

    def _annotations(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self._api().call("GET", self._path)["metadata"].get("annotations", {})
        self._seen = found
        return found

    def _annotate(self, annotations: Mapping[str, str | None]) -> None:
        """Say something, unless it was seen to be said: a thousand workers wait at once, and look twice a minute."""
        if any(self._seen.get(name) != text for name, text in annotations.items()):
            self._api().call("PATCH", self._path, {"metadata": {"annotations": dict(annotations)}}, MERGE)

    def _api(self) -> Api:
        return Api(node_certificates.CA, node_certificates.CLIENT, node_certificates.CLIENT, 10)
