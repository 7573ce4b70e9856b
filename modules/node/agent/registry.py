"""Registries that images are pulled from: whose word to take for them, and as whom to log in.

From the definition's, Docker alone pulls: `ctr` would be told the password by its command line, which every process
here can read. From those in the cluster, containerd pulls for pods, with the certificate of this machine's kubelet.
"""

from __future__ import annotations

import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import bundle, node_certificates
from agent.files import put, write
from agent.host import RUN, run

# Docker and containerd read these with each pull. The second is for pods that pull from the same registry.
DOCKER, CONTAINERD = Path("/etc/docker/certs.d"), Path("/etc/containerd/certs.d")
AUTHORITY = "anywhere.crt"
HOSTS = """\
server = "https://{host}"

[host."https://{host}"]
  ca = "{ca}"
"""

# Of a registry in the cluster. It is the only one that is asked, and only for images: nothing pushes from here.
IN_CLUSTER = "cluster.crt"
HOSTS_IN_CLUSTER = """\
server = "{url}"
capabilities = ["pull", "resolve", "referrers"]
ca = "{ca}"
client = "{client}"
"""


def trust(release: Mapping[str, Any]) -> None:
    """Have both runtimes trust the registry's authority, and none that an earlier release had."""
    ca, host = release["registry_ca"], (release["registry"] or "").partition("/")[0]
    _forget((*DOCKER.glob(f"*/{AUTHORITY}"), *CONTAINERD.glob(f"*/{AUTHORITY}")), (host,) if ca else ())
    if ca:
        put(DOCKER / host / AUTHORITY, ca)
        put(CONTAINERD / host / AUTHORITY, ca)
        put(CONTAINERD / host / "hosts.toml", HOSTS.format(host=host, ca=CONTAINERD / host / AUTHORITY))


def reach(release: Mapping[str, Any]) -> None:
    """Have containerd pull from the registries in the cluster, and from none that an earlier release had.

    The kubelet renews its certificate, which containerd reads with each pull.
    """
    registries = release["registries"]
    _forget(CONTAINERD.glob(f"*/{IN_CLUSTER}"), registries)
    for name, url in registries.items():
        ca = CONTAINERD / name / IN_CLUSTER
        put(ca, bundle.secrets(release, "kubelet")["ca.crt"])
        client = node_certificates.CLIENT
        put(ca.with_name("hosts.toml"), HOSTS_IN_CLUSTER.format(url=url, ca=ca, client=client))


def _forget(authorities: Iterable[Path], kept: Container[str]) -> None:
    """Remove what is there of each registry that is not `kept`, by the files of their authorities."""
    for file in authorities:
        if file.parent.name not in kept:
            file.with_name("hosts.toml").unlink(missing_ok=True)
            file.unlink()


def pull(release: Mapping[str, Any], name: str) -> None:
    """Pull an image into Docker."""
    with _docker(release) as docker:
        run(*docker, "pull", "--quiet", name)


@contextmanager
def _docker(release: Mapping[str, Any]) -> Iterator[list[str]]:
    """Docker's command, logged in where the registry asks for it."""
    if "registry" not in release["secrets"]:
        yield ["docker"]
        return
    login = bundle.secrets(release, "registry")["config.json"]
    RUN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUN) as folder:  # in memory, and root's alone
        write(Path(folder, "config.json"), login, mode=0o600)
        yield ["docker", "--config", folder]
