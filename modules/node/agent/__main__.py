"""Converge: bring this machine to its release. Running it twice restarts nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import (
    addons,
    bundle,
    cluster_dns,
    console,
    containerd,
    containers,
    debian,
    expiry,
    guard,
    health,
    host,
    images,
    kernel,
    leave,
    leftovers,
    membership,
    network,
    node_certificates,
    own_addons,
    packages,
    proxy,
    replacement,
    resolver,
    restore,
    resume,
    retire,
    service,
    settings,
    storage,
    turns,
)  # fmt: skip
from agent.files import put, write
from agent.first_start import BEFORE_USERS, FirstStart
from agent.host import Host, NodeError
from agent.turns import DEBIAN, AtOnce, Turns, Waiting

# Since this boot. READY holds the release, the monotonic time at which that was last reported, and what of DNS.
BOOTED, READY = Path("/run/anywhere/booted"), Path("/run/anywhere/ready")
ALONE = Path("/run/anywhere/converge.lock")
WAITING = Path("/run/anywhere/waiting")  # the release, and for whom its machine waits
AGAIN_SECONDS = 600


def main() -> int:
    """Run the steps in order. A failure is reported on the console, and the timer tries again."""
    text = Path(sys.argv[1]).read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    mark = Mark(digest, os.environ.get("ANYWHERE_PROBLEM", ""))
    if mark.known:  # a look at what is well gives way to it: on a slow machine it takes half a minute of a processor
        os.nice(10)
    try:
        release = host.release(text)
        me = prepare(release, mark)
        own = turns.load(release, me, digest)
        if leave.due(me):
            leave.leave(release, me)
        elif retire.due(release, me):
            retire.retire(release, me, own)
            mark.done("retired")
            mark.ready("")
        else:
            leave.clear(release, me)
            converge(release, me, own, mark)
            own.finish()
            expiry.tell(me)
            leftovers.remove()
            resume.prepare(text)
            dns = cluster_dns.check(release, me)
            mark.ready(dns)
            if dns not in ("", cluster_dns.ANSWERED):
                cluster_dns.watch(release)
    except Waiting as waiting:
        mark.waiting(str(waiting))
    except (NodeError, OSError) as error:
        mark.failed(str(error))
        return 1
    except Exception as error:
        mark.failed(f"{type(error).__name__}: {error}")
        raise
    return 1 if mark.problem else 0


class Mark:
    """The stage under way; each is reported once it is done, but not repeated while a release stays the same.

    `problem` is why the boot script could not fetch the release and uses the one before, "" where it could; `known` is
    whether the machine was ready with this release since its boot.
    """

    def __init__(self, release: str, problem: str = "") -> None:
        self.stage, self.problem, self._release = "fetch", problem, release
        last, self._reported, self._dns = _last_ready()
        self.known = last == release
        self._quiet = self.known or _last_waiting()[0] == release
        if not BOOTED.exists():
            BOOTED.parent.mkdir(exist_ok=True)
            BOOTED.touch()
            console.stage("boot")

    def done(self, then: str) -> None:
        self._report()
        self.stage = then

    def ready(self, dns: str) -> None:
        """Repeated every few minutes: clouds keep only the end of a console, and the kernel writes there too.

        `dns` is as from `cluster_dns.check`. Without its answer the machine is still ready: its pods may be those that
        DNS waits for. Where the release could not be fetched, that is reported instead, each time.
        """
        self.done("ready")
        now = time.monotonic()
        if self.problem:
            console.failed("fetch", self.problem)
            write(READY, f"{self._release} {-AGAIN_SECONDS}")  # so that `ready` follows as soon as it is true
        elif not self.known or WAITING.exists() or dns != self._dns or now - self._reported > AGAIN_SECONDS:
            console.stage(self.stage, release=self._release[:12], **({"dns": dns} if dns else {}))
            write(READY, f"{self._release} {now} {dns}")
            WAITING.unlink(missing_ok=True)  # for a release that was taken back

    def waiting(self, what: str) -> None:
        """Report, once, whom this machine waits for before it goes on with the release."""
        if _last_waiting() != (self._release, what):
            console.waiting(self.stage, what)
            write(WAITING, f"{self._release} {what}")

    def failed(self, reason: str) -> None:
        for path in (READY, WAITING):
            path.unlink(missing_ok=True)
        console.failed(self.stage, reason)

    def _report(self) -> None:
        if not self._quiet:
            console.stage(self.stage)


def _last_ready() -> tuple[str, float, str]:
    """What was last reported since the boot: the release that this machine was ready with, when, and what of DNS."""
    words = READY.read_text().split(" ") if READY.exists() else []
    release, reported, dns, *_ = [*words, "", "", ""]
    return release, float(reported or 0), dns


def _last_waiting() -> tuple[str, str]:
    """The release that this machine last had to wait with, since the boot, and for whom."""
    release, _, what = WAITING.read_text().partition(" ") if WAITING.exists() else ("", "", "")
    return release, what


def prepare(release: Mapping[str, Any], mark: Mark) -> Host:
    """Turn the stock Debian of this machine into a host for the rest."""
    mark.done("host")
    host.take_name()
    settings.ensure()  # first, so that what is installed starts with its settings
    proxy.ensure(release)
    kernel.ensure()
    packages.ensure(release["packages"])
    if not host.CONVERGED.exists():  # a new machine has nothing to lose, and need not boot later
        debian.ensure(release, AtOnce())
    settings.resolve_names()
    me = host.read(release)
    guard.ensure(host.guarded(me.metadata, release["host_loopback"]))
    return me


def converge(release: Mapping[str, Any], me: Host, own: Turns, mark: Mark) -> None:
    role = release["roles"][me.role]
    net = network.load(release, me)
    mark.done("images")
    names = sorted({*role["images"], *net.images()})
    images.ensure(release, names)
    net.begin()
    images.ensure_for_pods(release, names)
    bundle.fetch_all(release, role["containers"])
    mark.done("network")
    net.up(own)
    resolver.ensure(without=net.name_servers())
    restore.ensure(release, me)
    specs = role["containers"]
    first = FirstStart(release, me, net, own, specs)
    for spec in (spec for spec in specs if spec["component"] in BEFORE_USERS):
        mark.done(spec["component"])
        if spec["component"] == "etcd":
            start_etcd(release, me, net, own, spec, first)
        else:
            first.finish()
            start(release, me, net, own, spec)
    users = [spec for spec in specs if spec["component"] not in BEFORE_USERS]
    bundle.hand_out(release, users)
    reach_api(release, users, net)
    begin(release, me, net, own, users)
    admit(release["network"], components(role))
    for spec in users:
        mark.done(spec["component"])
        changed = start(release, me, net, own, spec)
        if changed or not mark.known or spec is users[-1]:  # where all is well, once is enough
            net.settle(own)
    serve(release, me, components(role))
    if "kube-apiserver" in components(role):
        mark.done("addons")
        addons.apply(release, "cluster")
        own_addons.apply(release)
    leave.ensure(me)
    mark.done(DEBIAN)
    debian.ensure(release, own, [containers.filled(release, spec, me, net) for spec in specs if spec["health"]])


def components(role: Mapping[str, Any]) -> set[str]:
    return {spec["component"] for spec in role["containers"]}


def reach_api(release: Mapping[str, Any], specs: Sequence[Mapping[str, Any]], net: network.Network) -> None:
    """Wait for the API, where one of `specs` needs it to start.

    Meanwhile the master that is missed may be there again with a new disk, and ask this machine for addresses.
    """
    for spec in (spec for spec in specs if spec["needs_api"]):
        put(node_certificates.CA, bundle.secrets(release, spec["secrets"])["ca.crt"], mode=0o600)
        health.api_ready(str(node_certificates.CA), 900, net.repair)


def begin(
    release: Mapping[str, Any], me: Host, net: network.Network, own: Turns, specs: Sequence[Mapping[str, Any]]
) -> None:
    """Start the components that are not there yet, beside each other, as each waits more than it works."""
    for spec in specs:
        containers.begin(release, containers.filled(release, spec, me, net), net, own)


def start(release: Mapping[str, Any], me: Host, net: network.Network, own: Turns, spec: Mapping[str, Any]) -> bool:
    """Have one component healthy, and do what must come right after it; whether it was started or replaced."""
    changed = containers.ensure(release, containers.filled(release, spec, me, net), net, own)
    if spec["component"] == "kubelet":
        containerd.retire_earlier()
    if spec["component"] == "kube-apiserver":
        addons.install_keys(release)
        addons.apply(release, "bootstrap")
    return changed


def start_etcd(
    release: Mapping[str, Any],
    me: Host,
    net: network.Network,
    own: Turns,
    spec: Mapping[str, Any],
    first: FirstStart,
) -> None:
    """Have this machine's member healthy, and its membership settled."""
    storage.ensure()
    if replacement.is_there(me.member):
        service.ensure("anywhere-snapshot.service")  # before etcd changes: that waits for a snapshot
    wanted = containers.filled(release, spec, me, net, **membership.prepare(release, me, own))
    if membership.has_expired(release, me):
        # Nobody can connect to it anew, so there is nothing to protect, and it serves only once others are renewed too.
        containers.ensure(release, {**wanted, "ready": ""}, net, AtOnce())
    if membership.is_alone(release, me):  # else etcd may wait for its others for longer than the API server for it
        containers.begin(release, wanted, net, own)
        first.begin()
    containers.ensure(release, wanted, net, own)
    restore.settle(release, me)
    membership.settle(release, me, own)


def admit(networks: Mapping[str, Any], roles: Collection[str]) -> None:
    """Let nodes have certificates, where this machine has the API: new workers wait for theirs by now."""
    if "kube-apiserver" in roles:
        service.ensure("anywhere-approver.service", networks=f"{networks['machines']} {networks['pods']}")


def serve(release: Mapping[str, Any], me: Host, roles: Collection[str]) -> None:
    """Run the other services of a machine with these components: last, as nothing new waits for them."""
    if release["measured"] and "kubelet" in roles:
        service.ensure("anywhere-measures.service")
    else:
        service.remove("anywhere-measures.service")
    if "etcd" in roles:
        service.ensure("anywhere-snapshot.service")
    if "kube-apiserver" in roles:
        service.ensure("anywhere-front.service", address=me.address)
        service.ensure("anywhere-drain.service")
        service.ensure("anywhere-rollout.service")


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process converges this machine: its turns are given to its name, not to a process."""
    ALONE.parent.mkdir(exist_ok=True)
    lock = os.open(ALONE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, be it by a kill
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    with alone():
        sys.exit(main())
