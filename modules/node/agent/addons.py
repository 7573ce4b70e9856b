"""Add-ons: the manifests that the release carries, applied from a master, each time their content changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle
from agent.docker import Docker
from agent.host import STATE, put, run

KEYS = Path("/etc/anywhere/addons")  # the only component whose keys are on the host: it also approves certificates


def install_keys() -> None:
    """Write the add-on identity's files, for root alone."""
    KEYS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in bundle.secrets("addons").items():
        put(KEYS / name, text, mode=0o600)


def apply(release: Mapping[str, Any], group: str) -> bool:
    """Apply one group of manifests; True where something was applied."""
    manifests = dict(release["addons"][group])
    if group == "bootstrap":
        manifests["bootstrap-token.yaml"] = (KEYS / "bootstrap-token.yaml").read_text()
    content = hashlib.sha256(repr(sorted(manifests.items())).encode()).hexdigest()
    done = STATE / f"addons-{group}"
    if not manifests or (done.exists() and done.read_text() == content):
        return False
    text = "\n---\n".join(text for _, text in sorted(manifests.items()))
    engine, name = Docker(), f"anywhere-apply-{group}"
    engine.remove(name)
    command = ["hyperkube", "kubectl", "--kubeconfig=/etc/anywhere/addons/kubeconfig"]
    command += ["--server=https://127.0.0.1:6443", "--tls-server-name=kube-apiserver.weave.local"]
    command += ["apply", "--server-side", "--force-conflicts", "--validate=false", "--filename=-"]
    options = ["--rm", "--interactive", f"--name={name}", "--network=container:kube-apiserver"]
    options += [f"--volume={KEYS}:{KEYS}:ro", f"--entrypoint={command[0]}", release["images"]["hyperkube"]["id"]]
    run("docker", "run", *options, *command[1:], stdin=text.encode())
    STATE.mkdir(parents=True, exist_ok=True)
    done.write_text(content)
    return True
