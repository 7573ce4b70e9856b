"""The programs of the add-on monitoring on this computer, started as its manifests say, on ports of their own."""

import json
import re
import socket
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from benchmarks.rollout import programs
from generator import addons
from generator.errors import UserError
from generator.images import catalog
from generator.lock import Image

NAME = "monitoring"
PROGRAMS = {"victoria-metrics": ("victoria-metrics", "vmalert", "probe"), "alertmanager": (), "node-exporter": ()}


def objects(case="star-wars", **changes):
    """The objects of the add-on, by kind and name."""
    definition, lock, _ = golden.load(case)
    definition = replace(definition, addons=(NAME, "storage"), **changes)
    wanted = catalog.wanted(definition.kubernetes, lock.driver, addons=definition.addons)
    images = {each.name: Image(each.name, each.ref, f"sha256:{'1' * 64}", "1" * 64, 1, "build") for each in wanted}
    made = addons.manifests(definition, replace(lock, images={"amd64": images}), "10.96.0.10")
    read = YAML(typ="safe", pure=True).load_all(made["cluster"][f"{NAME}.yaml"])
    return {(each["kind"], each["metadata"]["name"]): each for each in read}


def pod(kind="Deployment", name=NAME, **more):
    return objects(**more)[kind, name]["spec"]["template"]["spec"]


def containers():
    """The containers of both workloads, by name."""
    every = (*pod()["containers"], *pod("DaemonSet", "node-exporter")["containers"])
    return {each["name"]: each for each in every}


@dataclass
class Running:
    """The programs, with the ports that they have in place of those of the manifests."""

    folder: Path
    ports: dict[str, str]

    def ask(self, port, path):
        """The answer to a GET, by the port that the manifests have."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{self.ports[port]}{path}", timeout=30) as answer:
            return answer.read().decode()

    def probe(self, kind):
        """Run a probe of the store; programs that do not run here are left out."""
        command = next(c for c in pod()["containers"] if c["name"] == "victoria-metrics")[kind]["exec"]["command"]
        words = [self.placed(word) for word in command[1:] if not word.startswith("127.0.0.1:8080/")]
        return subprocess.run([self.folder / "bin" / "probe", *words], capture_output=True, text=True, check=False)

    def placed(self, text):
        """A word of a manifest, as it is for this computer."""
        for port, own in self.ports.items():
            text = re.sub(rf":{port}\b", f":{own}", text)
        for folder in ("/etc/", "/var/lib/", "/host/metrics"):
            text = text.replace(folder, f"{self.folder}{folder}")
        return text.replace("=/host/root", "=/").replace("=/host/", "=/")


def scraped(text):
    """The configuration of scrapes without those that take a cluster."""
    found = YAML(typ="safe", pure=True).load(text)
    found["scrape_configs"] = [each for each in found["scrape_configs"] if "static_configs" in each]
    nodes = {"job_name": "node-exporter", "static_configs": [{"targets": ["127.0.0.1:9100"], "labels": {"node": "a"}}]}
    found["scrape_configs"].append(nodes)
    found["global"]["scrape_interval"] = "1s"
    return json.dumps(found)


def lay_out(made):
    """The files that pods have mounted."""
    for folder in ("etc/monitoring", "etc/monitoring-rules", "etc/alertmanager", "var/lib", "host/metrics"):
        (made.folder / folder).mkdir(parents=True)
    files = objects()["ConfigMap", NAME]["data"]
    for name, text in {**files, "scrape.yaml": scraped(files["scrape.yaml"])}.items():
        (made.folder / "etc" / "monitoring" / name).write_text(made.placed(text) if name == "scrape.yaml" else text)
    (made.folder / "etc" / "alertmanager" / "alertmanager.yaml").write_text(files["alertmanager.yaml"])


def _taken(folder):
    folder.mkdir()
    try:
        for image, names in PROGRAMS.items():
            for name in names or (image,):
                programs.take(image, folder, name)
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")


@contextmanager
def running(folder):
    """The store, its alerts and what machines run; a test is skipped where this computer has no images of them."""
    folder.mkdir()
    _taken(folder / "bin")
    with ExitStack() as sockets:
        free = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        ports = [str(each.getsockname()[1]) for each in free]
    made = Running(folder, dict(zip(("8428", "8880", "9093", "9100"), ports, strict=True)))
    lay_out(made)
    started = []
    try:
        for name in ("victoria-metrics", "alertmanager", "vmalert", "node-exporter"):
            container = containers()[name]
            program = folder / "bin" / container.get("command", [f"/{name}"])[0].lstrip("/")
            with (folder / f"{name}.log").open("wb") as log:
                words = [program, *map(made.placed, container["args"])]
                started.append(subprocess.Popen(words, stdout=log, stderr=log))
        until(lambda: made.probe("readinessProbe").returncode == 0)
        yield made
    finally:
        for process in started:
            process.kill()
            process.wait()


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.2)
