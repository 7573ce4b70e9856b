"""Real clusters: of local VMs, once per network driver whose images are there, and of each cloud's machines.

Nothing leaves this computer.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.cloud import CLOUDS, CloudCluster
from tests.e2e.kubernetes import Kubernetes
from tests.offline import offline

ANYWHERE = (sys.executable, "-m", "generator.cli")
ROOT = Path(__file__).parents[2]
READY_SECONDS = 1500  # two emulated machines on two cores; a bound, not a measure

DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: e2e-{driver}}}
spec:
  etcd: {{count: 0}}
  masters: {{count: 1, size: medium, schedulable: true}}
  workers: {{count: 1, size: small}}
  network: {{driver: {driver}}}
  access: {{ssh_keys: ["{key}"]}}
providers:
  local: {{egress: false}}
"""


class Cluster(Kubernetes):
    """A running cluster on local machines, and how a user asks it things."""

    def __init__(self, folder: Path, driver: str, home: Path) -> None:
        super().__init__(folder, folder / ".anywhere" / f"e2e-{driver}-local" / "kubeconfig")
        self.folder, self.driver, self.home = folder, driver, home
        self.name = f"e2e-{driver}"
        self.file = folder / "cluster.yaml"

    def anywhere(self, verb: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [*ANYWHERE, verb, str(self.file), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", cwd=ROOT, stdin=subprocess.DEVNULL, check=False
        )
        print(f"$ anywhere {verb} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if check:
            assert done.returncode == 0, f"anywhere {verb}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def on(self, machine: str, command: str) -> str:
        """What `command` prints on a machine, through `anywhere ssh`."""
        done = self.anywhere("ssh", machine, "--", command)
        return done.stdout

    def explain(self) -> None:
        super().explain()
        self.anywhere("doctor", check=False)


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


def missing_images(driver: str) -> list[str]:
    """The images of `driver` that this machine neither has nor can make or pull."""
    from generator.images import missing

    return missing(driver)


@pytest.fixture(scope="module", params=sorted(CLOUDS))
def cloud(request, tmp_path_factory):
    if absent := missing_images("weave"):
        pytest.skip(f"{request.param} was not run: no images for {', '.join(absent)} (set ANYWHERE_IMAGES)")
    with (
        offline("invent") as stand_ins,
        closing(CloudCluster(tmp_path_factory.mktemp(request.param), request.param, stand_ins)) as made,
    ):
        yield made


@pytest.fixture(scope="module", params=["weave", "flannel"])
def cluster(request, tmp_path_factory):
    driver = request.param
    if absent := missing_images(driver):
        pytest.skip(f"driver {driver} was not run: no images for {', '.join(absent)} (set ANYWHERE_IMAGES)")
    folder = tmp_path_factory.mktemp(driver)
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "e2e", "-f", str(key)], check=True)
    with pytest.MonkeyPatch.context() as patch, ssh_agent(key) as socket, own_home() as home:
        made = Cluster(folder, driver, home)
        made.file.write_text(DEFINITION.format(driver=driver, key=key.with_suffix(".pub").read_text().strip()))
        patch.delenv("ANYWHERE_AGE_KEY", raising=False)
        patch.setenv("ANYWHERE_HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("SSH_AUTH_SOCK", socket)
        try:
            made.anywhere("apply", "--yes", "--timeout", str(READY_SECONDS))
            made.take_program(folder / "cluster.lock.yaml")
            yield made
        finally:
            made.anywhere("destroy", "--yes", check=False)
