"""A local machine on which kubeadm makes a cluster."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kubeadm import times
from benchmarks.kubeadm.times import Times
from generator.definition import SIZES
from generator.errors import UserError
from generator.kubernetes import Client, UnreachableError
from providers.local import home, ports, seed
from providers.local import record as records
from providers.local import virtual_machine as machines
from providers.local.home import cluster_folder
from providers.local.record import CONSOLE, Record

CLUSTER, NAME, SIZE = "bench-kubeadm", "kubeadm", SIZES["medium"]
FORWARDS = {"ssh": 22, "api": 6443}
USER_DATA = "#cloud-config\nruncmd: [start-cluster]\n"
SECONDS, STEP = 1200, 1.0
MARK = re.compile(r"kubeadm: (\w+) t=([\d.]+)")
KUBECONFIG = re.compile(r"kubeadm: initialised[^\n]*\n(.*?)kubeadm: kubeconfig", re.DOTALL)


def boot(image: str) -> tuple[Times, dict[str, float]]:
    """Boot the machine image; when its cluster was ready, and the marks on its console."""
    with running(image) as (folder, port):
        client = _follow(folder, port)
        marks = {mark: float(seconds) for mark, seconds in MARK.findall(_console(folder))}
        return times.read(client, machines.started(folder)), marks


@contextmanager
def running(image: str) -> Iterator[tuple[Path, int]]:
    """A machine that has just been powered on: its folder, and the port of this computer that leads to its API."""
    cluster = cluster_folder(CLUSTER)
    folder = cluster.machines / NAME
    machines.remove(folder)
    folder.mkdir(parents=True, mode=0o700)
    try:
        with ports.reserving():
            record = _record(image)
            records.write(folder, record)
        network = machines.network_config(cluster, NAME, None)
        files = {"meta-data": seed.meta_data(NAME, NAME, []), "network-config": network, "user-data": USER_DATA}
        machines.make(record, folder, files)
        machines.start(cluster, record, folder)
        yield folder, record.ports["api"]
    finally:
        machines.remove(folder)
        home.remove_empty(cluster.machines)


def _record(image: str) -> Record:
    """The machine: as large as a master of anywhere's, and like that without a way to the outside."""
    return Record(
        name=NAME,
        role=NAME,
        cpus=SIZE.cpus,
        memory=SIZE.memory,
        disk=SIZE.disk,
        base_image=image,
        network=None,
        address="",
        disks=(),
        egress=False,
        accel="auto",
        forwards=FORWARDS,
        ports=ports.choose(FORWARDS, {}),
        seed="",
    )


def _follow(folder: Path, port: int) -> Client:
    """A client of the machine's cluster, once that has settled."""
    client, end = None, time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            client = client or _client(_console(folder), port)
            if client and times.settled(client):
                return client
        except UnreachableError:
            pass  # it is busy: the next look may be answered
        time.sleep(STEP)
    raise UserError(f"kubeadm's cluster was not ready within {SECONDS} s.")


def _console(folder: Path) -> str:
    path = folder / CONSOLE
    return path.read_text(errors="replace") if path.exists() else ""


def _client(console: str, port: int) -> Client | None:
    """A client, once the console shows kubeadm's kubeconfig; UserError where kubeadm failed."""
    if "kubeadm: failed" in console:
        raise UserError("kubeadm failed:\n" + console[-3000:])
    shown = KUBECONFIG.search(console)
    if shown is None:
        return None
    from ruamel.yaml import YAML

    kubeconfig: Any = YAML(typ="safe").load(base64.b64decode(shown[1]))
    kubeconfig["clusters"][0]["cluster"] |= {"server": f"https://127.0.0.1:{port}", "tls-server-name": "kubernetes"}
    return Client(kubeconfig)
