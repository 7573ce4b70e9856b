"""Run kubectl from the image that the cluster runs, on a master, with the add-on identity."""

from __future__ import annotations

from pathlib import Path

from agent.api import Api
from agent.docker import Docker
from agent.host import run as execute

KEYS = Path("/etc/anywhere/addons")  # the only component whose keys are on the host


def run(image: str, name: str, *arguments: str) -> str:
    """Run one kubectl command in container `name`, against this master's own API server."""
    Docker().remove(name)
    command = ["kubectl", "--kubeconfig=/etc/anywhere/addons/kubeconfig"]
    command += ["--server=https://127.0.0.1:6443", "--tls-server-name=kube-apiserver.weave.local"]
    options = ["--rm", f"--name={name}", "--network=container:kube-apiserver"]
    options += [f"--volume={KEYS}:/etc/anywhere/addons:ro", "--entrypoint=hyperkube", image]
    return execute("docker", "run", *options, *command, *arguments)


def api() -> Api:
    """A client of the API with the same identity, for frequent requests."""
    return Api(KEYS / "ca.crt", KEYS / "client.crt", KEYS / "client.key")
