"""The registry of a cluster as a process of this computer, configured as its pod is."""

import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from benchmarks.rollout import programs
from generator import addon_catalog, addons, pki
from generator.errors import UserError
from generator.lock import Image
from generator.pki import certificate
from generator.pki.certificate import CLIENT, Leaf
from generator.store import Secrets

NAME = "registry"


def manifest(registry=None):
    """The objects of the add-on, by kind."""
    definition, lock, _ = golden.load("quickstart-flannel")
    definition = replace(definition, addons=("storage", NAME), registry=registry)
    images = {
        name: Image(name, f"anywhere.local/{name}:v1", f"sha256:{'1' * 64}", "1" * 64, 1, "build")
        for name in (NAME, "local-path-provisioner")
    }
    made = addons.manifests(definition, replace(lock, images={"amd64": images}), "10.96.0.10")
    read = YAML(typ="safe", pure=True).load_all(made["cluster"]["registry.yaml"])
    return {each["kind"]: each for each in read}


def certificates():
    """The secrets of a cluster that has the add-on."""
    services = golden.load("quickstart-flannel")[0].network.services
    serving = addon_catalog.served((NAME,), services)
    return pki.ensure(Secrets("quickstart"), datetime.now(UTC), services, serving=serving)


@dataclass
class Running:
    """`folder` has what the pod has of its cluster: `etc/users`, `images`; `program` is what it runs."""

    folder: Path
    program: Path
    port: int
    secrets: Secrets

    @property
    def ca(self) -> str:
        return self.secrets.authorities["kubernetes"].crt

    def have(self, user: str, password: str) -> None:
        """As `anywhere registry user add` and a kubelet do."""
        (self.folder / "etc" / "users" / user).write_text(sha256(password.encode()).hexdigest())

    def identity(self, folder: Path, *groups: str, authority: str = "kubelet-client", name="system:node:a") -> Path:
        """A folder that skopeo has the authority and a client's certificate from."""
        leaf = Leaf(authority, name, (CLIENT,), groups, life=timedelta(days=1))
        made = certificate.issue(leaf, self.secrets.authorities[authority], datetime.now(UTC))
        folder.mkdir()
        for file, text in (("ca.crt", self.ca), ("client.cert", made.crt), ("client.key", made.key)):
            (folder / file).write_text(text)
        return folder

    def authority(self) -> Path:
        """A folder that skopeo has the authority from."""
        path = self.folder / "authority" / "ca.crt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(self.ca)
        return path.parent

    def collect(self) -> str:
        command = [self.program, "collect", self.folder / "images"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def lay_out(folder: Path, secrets: Secrets, port: int) -> Path:
    """What the pod mounts; the configuration."""
    documents = pki.documents(secrets)
    files = {
        "certificate/tls.crt": documents["addons"]["registry.crt"],
        "certificate/tls.key": documents["addons"]["registry.key"],
        "configuration/machines.crt": documents["kube-apiserver"]["ca.crt"],
    }
    text = manifest()["ConfigMap"]["data"]["config.yml"]
    text = text.replace("/etc/registry", str(folder / "etc")).replace("/var/lib/registry", str(folder / "images"))
    files["configuration/config.yml"] = text.replace(":5443", f"127.0.0.1:{port}")
    for name, content in files.items():
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "etc" / "users").mkdir()
    (folder / "images").mkdir()
    return folder / "etc" / "configuration" / "config.yml"


@contextmanager
def running(folder: Path):
    """A registry that serves; a test is skipped where this computer has none."""
    folder.mkdir()
    try:
        program = programs.take(NAME, folder / "bin")
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secrets = certificates()
    configuration = lay_out(folder, secrets, port)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "serve", configuration], stdout=out, stderr=out, env={"OTEL_TRACES_EXPORTER": "none"}
        )
    made = Running(folder, program, port, secrets)
    try:
        _wait(made, process, log)
        yield made
    finally:
        process.kill()
        process.wait()


def _wait(made: Running, process: subprocess.Popen, log: Path) -> None:
    context = ssl.create_default_context(cadata=made.ca)
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        try:
            with socket.create_connection(("127.0.0.1", made.port), 5) as plain:
                context.wrap_socket(plain, server_hostname="localhost").close()
            return
        except ConnectionRefusedError:
            time.sleep(0.1)
