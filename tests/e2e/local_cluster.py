"""A running cluster on local machines, and how a user asks it things."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from providers.local import kind
from providers.local import record as records
from tests.e2e.kubernetes import Kubernetes
from tests.e2e.shape import Shape

ANYWHERE = (sys.executable, "-m", "generator.cli")
ROOT = Path(__file__).parents[2]
READY_SECONDS = {"vm": 1500, "container": 600}  # two emulated machines on two cores; a bound, not a measure


class Cluster(Kubernetes):
    """`home` is the folder of this cluster's machines alone."""

    def __init__(self, folder: Path, shape: Shape, home: Path) -> None:
        super().__init__(folder, folder / ".anywhere" / f"{shape.name}-local" / "kubeconfig")
        self.folder, self.shape, self.home = folder, shape, home
        self.driver, self.name, self.file = shape.driver, shape.name, folder / "cluster.yaml"

    def line(self, verb: str, *arguments: str) -> list[str]:
        """The command line of a verb for this cluster."""
        return [*ANYWHERE, *verb.split(), str(self.file), *arguments]

    def anywhere(self, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = self.line(verb, *arguments)
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", cwd=ROOT, stdin=subprocess.DEVNULL, check=False
        )
        print(f"$ anywhere {verb} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if check:
            assert done.returncode == 0, f"anywhere {verb}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def apply(self, *arguments: str) -> None:
        self.anywhere("apply", "--yes", "--timeout", str(READY_SECONDS[self.shape.kind]), *arguments)

    def edit(self, change: Callable[[dict], object]) -> None:
        """Change `spec` of the definition as a person would in an editor."""
        yaml = YAML(typ="safe")
        definition = yaml.load(self.file.read_text())
        change(definition["spec"])
        with self.file.open("w") as file:
            yaml.dump(definition, file)

    def on(self, machine: str, command: str) -> str:
        """What `command` prints on a machine, through `anywhere ssh`."""
        return self.anywhere("ssh", machine, "--", command).stdout

    def containers_started(self, machine: str) -> str:
        """When each role container of a machine was started: the same as long as nothing restarts or replaces one."""
        ask = "sudo docker ps -q | xargs sudo docker inspect -f '{{.Id}} {{.Name}} {{.State.StartedAt}}' | sort"
        return self.on(machine, ask)

    def pid(self, machine: str) -> int | None:
        """The process that a machine is; None where it is off."""
        folder = self.home / "clusters" / self.name / "machines" / machine
        record = records.read(folder)
        return record and kind.load(record.kind).pid(folder)

    def lose(self, name: str) -> None:
        """Delete a disk or a machine that is off, as `disks/master1-etcd` or `machines/master1`."""
        path = self.home / "clusters" / self.name / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def explain(self) -> None:
        super().explain()
        self.anywhere("doctor", check=False)


@contextmanager
def running(shape: Shape, folder: Path):
    """A cluster of that shape, made for the caller and removed behind it."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "e2e", "-f", str(key)], check=True)
    with pytest.MonkeyPatch.context() as patch, ssh_agent(key) as socket, own_home() as home:
        made = Cluster(folder, shape, home)
        made.file.write_text(shape.definition(key.with_suffix(".pub").read_text().strip()))
        patch.delenv("ANYWHERE_AGE_KEY", raising=False)
        patch.setenv("ANYWHERE_HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("SSH_AUTH_SOCK", socket)
        try:
            made.apply()
            made.take_program(folder / "cluster.lock.yaml")
            yield made
        finally:
            made.anywhere("destroy", "--yes", check=False)


@contextmanager
def ssh_agent(key: Path):
    """An agent that holds the key, as a user's would; its socket."""
    with tempfile.TemporaryDirectory(prefix="anywhere-agent-") as folder:
        socket = f"{folder}/socket"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
        try:
            while not Path(socket).exists():
                time.sleep(0.05)
            subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, "SSH_AUTH_SOCK": socket}, check=True)
            yield socket
        finally:
            agent.terminate()
            agent.wait()


@contextmanager
def own_home():
    """A home for this run's machines alone: what another run, or one that was killed, left behind is not in the way.

    Its path is short, since the sockets of QEMU lie in it.
    """
    with tempfile.TemporaryDirectory(prefix="anywhere-e2e-") as folder:
        yield Path(folder)
