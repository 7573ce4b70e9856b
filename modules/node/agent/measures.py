"""What monitoring reads of this machine, in a file: what only the machine sees, or may ask.

It is a service of every machine with a kubelet, where an add-on reads that. Masters ask the members of etcd, too, as
they have a certificate for that: nobody else needs one, and etcd listens nowhere else.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from agent import bundle, etcd, expiry, host, kubectl, network
from agent.api import Api
from agent.etcd import Etcd
from agent.files import write
from agent.host import RUN, Host, NodeError
from agent.node_certificates import AUTHORITIES
from agent.rollout import STATUS

FILE = RUN / "metrics" / "anywhere.prom"
FINE = (RUN / "ready", RUN / "waiting")  # one of them is there unless the machine fails, or has just booted
LOOK_SECONDS, ANSWER_SECONDS = 30, 5
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
OF_ETCD = re.compile(
    "etcd_(server_(has_leader|is_leader|leader_changes_seen_total|quota_backend_bytes|proposals_(failed_total|pending))"
    "|mvcc_db_total_size_in(_use_in)?_bytes|disk_(wal_fsync|backend_commit)_duration_seconds_bucket"
    "|network_peer_round_trip_time_seconds_bucket)"
)
OF_NETWORK = re.compile("weave(npc)?_[a-z_]+")
FAILURES = (NodeError, OSError, http.client.HTTPException, ValueError, KeyError)
Source = Callable[[], Iterator[str]]
C = TypeVar("C")


def main() -> None:
    """Measure again and again; the argument is the path of the release."""
    document, said, clients = Path(sys.argv[1]), "", Clients()
    while True:
        try:
            release = host.release(document.read_text())
            lines, problem = measured(sources(release, host.read(release), clients))
            write(FILE, "".join(f"{line}\n" for line in lines))
        except FAILURES as error:
            problem = str(error)
        if problem:
            clients.forget()
        if problem and problem != said:
            print(f"not measured: {problem}", flush=True)
        said = problem
        time.sleep(LOOK_SECONDS)


class Clients:
    """Clients of etcd and of the API, kept while all is well: to connect anew takes a slow machine half a second."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Any]] = {}

    def etcd(self, release: Mapping[str, Any], me: Host) -> Etcd:
        version = f"{release['secrets']['kube-apiserver']} {release['etcd']['members']}"
        return self._get("etcd", version, lambda: etcd.connect(release, me.role))

    def api(self, release: Mapping[str, Any]) -> Api:
        return self._get("api", release["secrets"]["addons"], kubectl.api)

    def forget(self) -> None:
        """Make others when they are asked for again."""
        self._kept.clear()

    def _get(self, name: str, version: str, make: Callable[[], C]) -> C:
        if self._kept.get(name, ("", None))[0] != version:
            self._kept[name] = (version, make())
        client: C = self._kept[name][1]
        return client


def sources(release: Mapping[str, Any], me: Host, clients: Clients) -> list[Source]:
    """What there is to measure on this machine."""
    found: list[Source] = [machine, partial(certificates, release)]
    found += [partial(of_network, url) for url in network.load(release, me).measured()]
    if me.role == "master":
        found += [lambda: rollout(clients.api(release))]
        found += [lambda: of_etcd(clients.etcd(release, me), release["etcd"]["members"])]
    return found


def measured(found: Iterable[Source]) -> tuple[list[str], str]:
    """What they say, and why some do not: the others are heard all the same."""
    lines: list[str] = []
    problems = []
    for source in found:
        try:
            lines += list(source())
        except FAILURES as error:
            problems.append(str(error))
    return lines, "; ".join(problems)


def machine() -> Iterator[str]:
    """Whether this machine came to its release, or waits for its turn to."""
    yield sample("anywhere_machine_ready", any(path.exists() for path in FINE))


def certificates(release: Mapping[str, Any]) -> Iterator[str]:
    """When the certificates that this machine has end: those of its components, and those of its kubelet."""
    for component, version in sorted(release["secrets"].items()):
        kept = bundle.KEPT / f"{component}-{version}"
        for name, text in sorted(json.loads(kept.read_text()).items()) if kept.exists() else ():
            if pem := _certificate(name, text):
                yield _end(component, name, expires(pem))
    for path in AUTHORITIES:
        if path.exists():
            yield _end("kubelet", path.name.partition("-current")[0], expires(path.read_text()))


def rollout(api: Api) -> Iterator[str]:
    """How far the rollout is, as the master that leads it tells."""
    said = json.loads(api.call("GET", STATUS)["data"]["status"])
    yield sample("anywhere_rollout_left", len(said["left"]))
    for halt in said["halted"]:
        yield sample("anywhere_rollout_halted", True, machine=halt["machine"], component=halt["component"])
    for name in said["stuck"]:
        yield sample("anywhere_rollout_stuck", True, machine=name)


def of_etcd(client: Etcd, members: list[str]) -> Iterator[str]:
    """What each member measures, and whether it is reached at all."""
    for member in members:
        name = etcd.host_of(member)
        try:
            text = client.measures(name)
        except (OSError, http.client.HTTPException):
            text = ""
        yield sample("anywhere_etcd_member_up", bool(text), member=member)
        yield from passed_on(text, OF_ETCD, member=member)
        if text and (end := client.end(name)):
            yield _end("etcd", "server.crt", ssl.cert_time_to_seconds(end), member=member)


def of_network(url: str) -> Iterator[str]:
    """What a part of the network driver measures."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=ANSWER_SECONDS) as answer:
        yield from passed_on(answer.read().decode(), OF_NETWORK)


def passed_on(text: str, wanted: re.Pattern[str], **labels: str) -> Iterator[str]:
    """The samples of a text whose names are wanted, with more labels."""
    more = ",".join(f'{name}="{value}"' for name, value in labels.items())
    for line in text.splitlines():
        if (found := SAMPLE.fullmatch(line)) and wanted.fullmatch(found[1]):
            yield f"{found[1]}{{{','.join(filter(None, (found[2], more)))}}} {found[3]}"


def sample(metric: str, value: int, **labels: str) -> str:
    """One sample, as Prometheus reads it."""
    shown = ",".join(f"{name}={json.dumps(text)}" for name, text in labels.items())
    return f"{metric}{{{shown}}} {value:d}"


@cache
def expires(pem: str) -> int:
    """When a certificate ends, in seconds since the epoch; remembered, as it takes a process to know."""
    return expiry.end(pem)


def _end(component: str, certificate: str, seconds: int, **labels: str) -> str:
    metric = "anywhere_certificate_end_seconds"
    return sample(metric, seconds, component=component, certificate=certificate, **labels)


def _certificate(name: str, text: str) -> str:
    """The certificate in a file of a bundle, PEM; "" where it has none."""
    if name.endswith(".crt"):
        return text
    found = re.search(r"client-certificate-data: \"?([A-Za-z0-9+/=]+)", text) if "kubeconfig" in name else None
    return base64.b64decode(found[1]).decode() if found else ""


if __name__ == "__main__":
    main()
