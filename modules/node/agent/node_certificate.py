"""The first certificate of a master's kubelet, which the master signs itself: it has the authority's key anyway.

So its kubelet need not wait for the API server, the controller manager and a token. Later ones it gets from the API.
"""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle
from agent.files import link, write
from agent.host import RUN, Host, run

FOLDER = Path("/var/lib/kubelet")  # the same in the kubelet's container
API = "https://kube-apiserver.weave.local:6443"
DAYS = 90  # as the controller manager's --cluster-signing-duration
REQUEST = """\
[req]
prompt = no
distinguished_name = name
x509_extensions = usage
[name]
O = system:nodes
CN = system:node:{name}
[usage]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


def ensure(release: Mapping[str, Any], me: Host) -> None:
    """Make what the kubelet of this master speaks to the API with, unless it has that."""
    kubeconfig, current = FOLDER / "kubeconfig", FOLDER / "pki" / "kubelet-client-current.pem"
    if current.exists():
        return
    pem = FOLDER / "pki" / "kubelet-client-first.pem"
    write(pem, _signed(bundle.secrets(release, "kube-controller-manager"), me.name), mode=0o600)
    write(kubeconfig, _kubeconfig(bundle.secrets(release, "kubelet")["ca.crt"], str(current)), mode=0o600)
    link(current, pem.name)  # last, as it says that all is there


def _signed(authority: Mapping[str, str], name: str) -> str:
    """A certificate for the kubelet of node `name`, and its key, as PEM."""
    RUN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUN) as folder:  # in memory
        paths = {file: Path(folder, file) for file in ("request", "ca.crt", "ca.key", "key")}
        paths["request"].write_text(REQUEST.format(name=name))
        for file in ("ca.crt", "ca.key"):
            paths[file].write_text(authority[f"kubelet-client-{file}"])
        certificate = run(
            *("openssl", "req", "-x509", "-config", str(paths["request"]), "-days", str(DAYS)),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(paths["key"])),
            *("-CA", str(paths["ca.crt"]), "-CAkey", str(paths["ca.key"]), "-set_serial", str(secrets.randbits(159))),
        )
        return certificate + paths["key"].read_text()


def _kubeconfig(ca: str, pem: str) -> str:
    """As the kubelet writes it when it gets its first certificate from the API (JSON is YAML)."""
    cluster = {"server": API, "certificate-authority-data": base64.b64encode(ca.encode()).decode()}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default-cluster", "cluster": cluster}],
        "users": [{"name": "default-auth", "user": {"client-certificate": pem, "client-key": pem}}],
        "contexts": [{"name": "default-context", "context": {"cluster": "default-cluster", "user": "default-auth"}}],
        "current-context": "default-context",
    }
    return json.dumps(content)
