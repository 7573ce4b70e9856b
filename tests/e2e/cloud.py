"""A cluster on a cloud's machines: what Terraform planned for them, started by a cloud of this computer's own."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.clouds import Applied
from tests.e2e import daemons
from tests.e2e.kubernetes import Kubernetes
from tests.vpc.amazon import Amazon
from tests.vpc.google import Google

ROOT = Path(__file__).parents[2]
CLOUDS = {"aws": Amazon, "gce": Google}
SECTIONS = {
    "aws": "{region: eu-central-1, zones: [eu-central-1a], nat: none, admin_cidrs: [203.0.113.0/24]}",
    "gce": "{project: my-project, region: europe-west1, nat: none, admin_cidrs: [203.0.113.0/24]}",
}
DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: e2e-{target}}}
spec:
  etcd: {{count: 0}}
  masters: {{count: 1, size: medium, schedulable: true}}
  workers: {{count: 1, size: small}}
  network: {{driver: weave}}
providers:
  {target}: {section}
"""

# On each machine a pod through which a test runs commands there: no cloud has the same ssh as another.
HANDS = daemons.manifest(
    "hands",
    "hands",
    pod="hostNetwork: true\nhostPID: true\ntolerations: [{operator: Exists}]",
    container="securityContext: {privileged: true, runAsUser: 0}",
)


class CloudCluster(Kubernetes):
    """`environment` has the stand-ins for the cloud's API and for Terraform's provider."""

    def __init__(self, folder: Path, target: str, environment: Mapping[str, str]) -> None:
        self._tree, self._file, self._target = folder / "tree", folder / "cluster.yaml", target
        super().__init__(folder, self._tree / "kubeconfig")
        self._environment = {**os.environ, **environment, "XDG_CONFIG_HOME": str(folder / "config")}
        self._environment.pop("ANYWHERE_AGE_KEY", None)
        self._file.write_text(DEFINITION.format(target=target, section=SECTIONS[target]))
        self._apply()
        region = folder / "region"
        region.mkdir()
        secrets = json.loads(self._environment["TF_VAR_secrets"])
        self.region = CLOUDS[target](region, self._applied, secrets, self._environment)

    def _apply(self) -> None:
        """Render, and have Terraform say what it would make."""
        self._anywhere("images", "lock")
        self._anywhere("secrets", "update")
        self._anywhere("render", "--out", str(self._tree))
        for line in self._anywhere("env").splitlines():
            name, _, value = shlex.split(line)[1].partition("=")
            self._environment[name] = value
        self._applied = Applied(self._tree, self._environment)
        self._anywhere("kubeconfig", "--out", str(self._tree))
        self.take_program(self._file.with_name("cluster.lock.yaml"))

    def _anywhere(self, verb: str, *arguments: str) -> str:
        words = [verb, *arguments, str(self._file), "--provider", self._target]
        command = [sys.executable, "-m", "generator.cli", *words]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"anywhere {verb}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def command(self, *line: str) -> list[str]:
        return self.region.segment.namespace.command(*line)

    def ready(self) -> set[str]:
        """The nodes that are Ready; none while the API cannot be asked."""
        answer = self.kubectl("get", "nodes", "--output=json", check=False)
        nodes = json.loads(answer)["items"] if answer else []
        return {
            node["metadata"]["name"]
            for node in nodes
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
        }

    def boot(self, machine: str) -> str:
        """Which boot of a machine its node is of."""
        return str(self.get("node", machine)["status"]["nodeInfo"]["bootID"])

    def lend_hands(self) -> None:
        """Let `on` work, on all machines that are nodes."""
        self.apply_manifest(HANDS)

    def on(self, machine: str, command: str) -> str:
        """What a shell command prints on a machine."""
        chosen = ("--selector=app=hands", f"--field-selector=spec.nodeName={machine},status.phase=Running")
        pod = self.until(
            f"hands on {machine}", lambda: self.kubectl("get", "pods", "-n", "hands", *chosen, "-o", "name")
        )
        words = ("/usr/bin/nsenter", "--target=1", "--mount", "--net", "--", "sh", "-c", command)
        return self.kubectl("exec", "--namespace=hands", pod.strip(), "--", *words)

    def explain(self) -> None:
        super().explain()
        for machine in self.region.machines:
            print(f"--- console of {machine.name}\n{machine.console[-6000:]}")

    def close(self) -> None:
        self.region.close()
