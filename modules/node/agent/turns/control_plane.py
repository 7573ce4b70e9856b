"""The turns of etcd machines and masters: a lock in etcd, an order, and all others that serve."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

from agent import api, bundle, cordon, etcd, halts, kubectl, progress, snapshot
from agent.drain import NODES
from agent.etcd import Etcd, Silent
from agent.halts import Halt
from agent.host import Host, NodeError
from agent.turns import DEBIAN, Stop, Waiting, before

LOCK = "/anywhere/turn"  # its value is who has the turn, and for what
AWAY = "/anywhere/away"  # its value is who boots, and the id of the boot that ends: nothing else is stopped meanwhile
LEASE_SECONDS, RENEW_SECONDS = 60, 15
ATTENTION_SECONDS = 45  # how long a turn is waited for before the machine looks for a newer release
UNREACHED = (NodeError, OSError, http.client.HTTPException)  # etcd or the API does not answer, or refuses
RECORD_SECONDS = 60  # how long etcd is waited for to be told that something was put back


class ControlPlane:
    """See `agent.turns.Turns`. A machine alone has no lock to take, but halts as others do."""

    def __init__(self, release: Mapping[str, Any], me: Host, digest: str) -> None:
        self._release, self._me, self._digest = release, me, digest
        self._machines: Mapping[str, Mapping[str, Any]] = release["control_plane"]
        self._opened: Etcd | None = None

    @contextmanager
    def take(self, stop: Stop) -> Iterator[None]:
        with self._turn(stop), self._pods_elsewhere(stop):
            try:
                yield
            except NodeError as error:
                halts.record_alone(stop.component, stop.identity)
                self._halt(Halt(stop.component, stop.identity, self._digest, self._me.name, str(error)))
                raise

    @contextmanager
    def hold(self, stop: Stop) -> Iterator[None]:
        try:
            lock = self._lock(lambda: "", lambda: "")
        except Silent as error:
            if stop.component not in ("etcd", "network"):  # it hangs because etcd does
                raise Waiting(f"etcd: {error}") from error
            lock = nullcontext()
        with lock:
            yield

    def away(self, stop: Stop) -> None:
        try:
            self._etcd.put(AWAY, f"{self._me.name} {cordon.boot()}")  # first, as it also says who opens the node again
            if self._has_node:
                cordon.empty(kubectl.api(), self._release, self._me.name)
        except UNREACHED as error:
            with suppress(NodeError):
                self._etcd.delete(AWAY)
            raise Waiting(f"a way to boot: {error}") from error

    def back(self) -> None:
        if self._has_node:
            try:
                cordon.wait_ready(kubectl.api().call("GET", f"{NODES}/{self._me.name}"))
            except UNREACHED as error:
                raise Waiting(f"the API: {error}") from error

    def done(self, component: str, identity: str) -> None:
        if component == DEBIAN:
            self._return()
        progress.note(self._etcd, self._me.name, self._digest, component)
        with suppress(Silent):
            halts.clear(self._etcd, component, identity)

    def finish(self) -> None:
        """Nothing: it is the sum of what is done."""

    @property
    def _etcd(self) -> Etcd:
        if self._opened is None:  # not before it is used, as that takes certificates
            self._opened = etcd.connect(self._release, self._me.role, self._me.member)
        return self._opened

    @property
    def _has_node(self) -> bool:
        return "kubelet" in self._components(self._me.name)

    def _return(self) -> None:
        """Open this machine's node, and let others be stopped, once it has booted; later, where that cannot be now."""
        with suppress(*UNREACHED):
            name, _, boot = (self._etcd.get(AWAY) or "").partition(" ")
            if name == self._me.name and boot != cordon.boot():
                if self._has_node:
                    cordon.reopen(kubectl.api(), name)
                self._etcd.delete(AWAY)

    def _pods_elsewhere(self, stop: Stop) -> AbstractContextManager[object]:
        if stop.component != "kubelet" or not stop.serving():
            return nullcontext()
        return cordon.emptied(self._release, self._me.name)

    def _turn(self, stop: Stop) -> AbstractContextManager[object]:
        try:
            if stop.serving():  # it may have booted towards a newer release, for which others wait
                self._return()
            return self._lock(lambda: self._late(stop.component) or self._unsaved(stop), lambda: self._forbidden(stop))
        except Silent as error:
            if stop.serving():
                raise Waiting(f"etcd, without which nothing is stopped: {error}") from error
            halts.refuse_alone(stop.component, stop.identity)
            return nullcontext()  # what does not serve has nothing to lose, and may be why etcd does not answer

    def _lock(self, early: Callable[[], str], locked: Callable[[], str]) -> AbstractContextManager[object]:
        """The lock. Both say what there is to wait for, `locked` once it is had: what it says stays so.

        Waiting after a while, Silent where etcd does not answer.
        """
        end = time.monotonic() + ATTENTION_SECONDS
        while True:
            if not (reason := early()):
                with ExitStack() as stack:
                    reason = self._claim(stack) or locked()
                    if not reason:
                        return stack.pop_all()
            if time.monotonic() > end:
                raise Waiting(reason)
            time.sleep(1)

    def _claim(self, stack: ExitStack) -> str:
        """Have the lock until `stack` is closed; whose it is where it is another machine's."""
        lease = self._etcd.claim(LOCK, self._me.name, LEASE_SECONDS)
        if lease is None:
            return f"{self._etcd.get(LOCK)}, whose turn it is"
        stack.enter_context(held(self._etcd, lease))
        return ""

    def _late(self, component: str) -> str:
        """The machines on which other components of the release come first; "" for none."""
        earlier = before(component)
        wanted = {name: earlier & self._components(name) for name in self._machines}
        late = progress.late(progress.read(self._etcd), self._digest, wanted)
        if late and (halt := self._halted()):
            return f"an end of the halt: {halt.machine} put {halt.component} back"
        return f"{', '.join(late)}, as other components of the release come first" if late else ""

    def _halted(self) -> Halt | None:
        """What was put back on the way to this release: the machines that are late will not go on by themselves."""
        return next((halt for halt in halts.read(self._etcd).values() if halt.release == self._digest), None)

    def _unsaved(self, stop: Stop) -> str:
        """The snapshot that is to be taken before etcd or the API changes; "" where nothing is missing."""
        return snapshot.missing(self._etcd, self._digest) if stop.component in ("etcd", "kube-apiserver") else ""

    def _forbidden(self, stop: Stop) -> str:
        """The others that are down where this machine's component still serves; "" for none. NodeError after a halt."""
        halts.refuse(self._etcd, stop.component, stop.identity)
        if not stop.serving():
            return ""
        if away := self._absent():
            return f"{away}, which boots"
        down = self._missed(stop.component)
        return f"{', '.join(down)}, as nothing is stopped while another is down" if down else ""

    def _absent(self) -> str:
        """The other machine that boots now, "" for none."""
        name = (self._etcd.get(AWAY) or "").partition(" ")[0]
        return name if name in self._machines and name != self._me.name else ""

    def _components(self, name: str) -> set[str]:
        role = self._release["roles"][self._machines[name]["role"]]
        return {spec["component"] for spec in role["containers"]}

    def _missed(self, component: str) -> list[str]:
        """The others that do not serve, of those that are missed while this machine's component is stopped."""
        mine, down = self._components(self._me.name), []
        if component in ("etcd", "network", DEBIAN) and "etcd" in mine:
            voters = [m.name for m in self._etcd.members() if not m.learner and m.name != self._me.member]
            down += [name or "a new member" for name in voters if not (name and self._etcd.serves(etcd.host_of(name)))]
        if component in ("kube-apiserver", "network", DEBIAN) and "kube-apiserver" in mine:
            authority = bundle.secrets(self._release, "kube-apiserver")["server-ca.crt"]
            others = (name for name in self._machines if name != self._me.name)
            masters = [name for name in others if "kube-apiserver" in self._components(name)]
            down += [name for name in masters if not _api_serves(self._machines[name]["address"], authority)]
        return down

    def _halt(self, halt: Halt) -> None:
        """Record a halt. What was put back may be etcd itself, which takes a moment."""
        end = time.monotonic() + RECORD_SECONDS
        while True:
            try:
                return halts.record(self._etcd, halt)
            except Silent as error:
                if time.monotonic() > end:
                    return print(f"only this machine knows of the halt: {error}", flush=True)
                time.sleep(1)


@contextmanager
def held(client: Etcd, lease: str) -> Iterator[None]:
    """Keep a lease for as long as the context lasts, and then release it."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEW_SECONDS):
            with suppress(NodeError):  # the lease outlasts a few failures
                client.renew(lease)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(NodeError):  # then it ends by itself
            client.release(lease)


def _api_serves(address: str, authority: str) -> bool:
    """Whether the API server on a machine is ready; `authority` is PEM. An expired certificate is no obstacle."""
    tls = ssl.create_default_context(cadata=authority)
    tls.verify_flags = ssl.VerifyFlags(tls.verify_flags | etcd.NO_CHECK_TIME)
    return api.answers(address, tls, "/readyz")
