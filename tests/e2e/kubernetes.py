"""A cluster's API, asked by kubectl as a user asks it."""

import json
import os
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from generator import lock as locks


class Kubernetes:
    """`program` is kubectl as the cluster itself has it: hyperkube."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.program, self.kubeconfig = folder / "hyperkube", kubeconfig

    def take_program(self, lock: Path) -> None:
        """Take the multi-call binary out of the image archive that `lock` names."""
        cache = Path(os.environ.get("ANYWHERE_CACHE") or Path.home() / ".cache/anywhere")
        archive = cache / "images" / f"{locks.read(lock).images['amd64']['hyperkube'].archive}.tar"
        with tarfile.open(archive) as outer:
            for layer in json.load(outer.extractfile("manifest.json"))[0]["Layers"]:
                with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                    for entry in inner:
                        if entry.isfile() and Path(entry.name).name == "hyperkube":
                            with self.program.open("wb") as out:
                                shutil.copyfileobj(inner.extractfile(entry), out)
                            self.program.chmod(0o755)
                            return
        pytest.fail(f"no hyperkube in {archive}")

    def command(self, *line: str) -> list[str]:
        """`line` as a command that runs where the API can be reached."""
        return list(line)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        command = self.command(str(self.program), "kubectl", "--kubeconfig", str(self.kubeconfig), *arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply_manifest(self, manifest: str) -> None:
        """`kubectl apply`, which first asks for the schema of the whole API: a minute of an emulated master."""
        self.kubectl("apply", "--request-timeout=5m", "--filename=-", stdin=manifest)

    def get(self, *arguments: str) -> dict:
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def pods_started(self) -> dict[str, list[str]]:
        """When each pod's containers were started, by the pod's uid: the same as long as nothing restarts a pod."""
        return {
            pod["metadata"]["uid"]: [
                each["state"]["running"]["startedAt"] for each in pod["status"]["containerStatuses"]
            ]
            for pod in self.get("pods", "-A")["items"]
        }

    def until(self, what: str, true, seconds: float = 300):
        """Ask until the answer is true, and return it."""
        end = time.monotonic() + seconds
        while not (answer := true()):
            if time.monotonic() > end:
                self.explain()
                pytest.fail(f"{what} did not come within {seconds:.0f} s")
            time.sleep(2)
        return answer

    def explain(self) -> None:
        """Print what a person would look at first."""
        for arguments in (("get", "nodes,pods", "-A", "-o", "wide"), ("get", "events", "-A")):
            print(self.kubectl(*arguments, check=False)[-4000:])
