"""What a stretch of a simulation cost: requests, bytes and seconds of CPU."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rollout.place import HOST, Place
from benchmarks.rollout.store import Store

# The WATCH is this program's own.
_REQUESTS = re.compile(r'apiserver_request_total\{.*resource="nodes".*verb="(?!WATCH)(\w+)"[^}]*\} (\S+)')


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the beginning, or between two of them. `cpu` is in seconds.

    `api` are requests about nodes by verb, `store` the answers by status, with the `bytes` of all.
    """

    seconds: float
    api: Mapping[str, int]
    store: Mapping[str, int]
    bytes: int
    cpu: Mapping[str, float]

    def since(self, before: Counts) -> Counts:
        return Counts(
            self.seconds - before.seconds,
            {verb: count - before.api.get(verb, 0) for verb, count in self.api.items()},
            {status: count - before.store.get(status, 0) for status, count in self.store.items()},
            self.bytes - before.bytes,
            {part: seconds - before.cpu[part] for part, seconds in self.cpu.items()},
        )


def count(place: Place, store: Store, pids: Mapping[str, int]) -> Counts:
    """Until now; `pids` are the processes whose CPU is told."""
    cpu = {part: _cpu(pid) for part, pid in pids.items()}
    return Counts(time.monotonic(), requests(_metrics(place)), dict(store.answers), store.bytes, cpu)


def requests(metrics: str) -> dict[str, int]:
    """Those about nodes by verb, out of the API server's metrics."""
    found: Counter[str] = Counter()
    for line in metrics.splitlines():
        if match := _REQUESTS.match(line):
            found[match[1]] += int(float(match[2]))
    return dict(found)


def _metrics(place: Place) -> str:
    tls, keys = ssl.create_default_context(cafile=str(place.ca)), place.folder / "addons"
    tls.load_cert_chain(str(keys / "client.crt"), str(keys / "client.key"))
    connection = http.client.HTTPSConnection(HOST, place.api, context=tls, timeout=60)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
