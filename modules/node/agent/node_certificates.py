"""The certificates of this machine's kubelet. It asks the API for them, but for the first one of a master.

Where an authority was rotated, it has to ask for others.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import bundle
from agent.files import link, put, write
from agent.host import RUN, Host, run

CA = Path("/etc/anywhere/ca.crt")  # of the API server, as who has a kubelet's identity knows it
FOLDER = Path("/var/lib/kubelet/pki")
CLIENT, SERVER = (FOLDER / f"kubelet-{kind}-current.pem" for kind in ("client", "server"))  # each with its key
AUTHORITIES = {CLIENT: "client-ca.crt", SERVER: "serving-ca.crt"}  # of the kubelet's bundle
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


def sign_first(release: Mapping[str, Any], me: Host) -> None:
    """Give the kubelet of this master its first certificate. The machine has the authority's key anyway.

    So the kubelet need not wait for the API server, the controller manager and a token.
    """
    if not CLIENT.exists():
        first = CLIENT.with_name("kubelet-client-first.pem")
        write(first, _signed(bundle.secrets(release, "kube-controller-manager"), me.name), mode=0o600)
        link(CLIENT, first.name)


def forget_foreign(files: Mapping[str, str]) -> None:
    """Take away what the authorities in the kubelet's bundle, `files`, have not signed; call it while none runs.

    A kubelet that starts without its certificates asks for new ones, at first with the bootstrap token. By itself it
    would go on with the old ones for weeks.
    """
    for path, name in AUTHORITIES.items():
        if path.exists() and not _is_signed(path, files[name]):
            print(
                f"{path.name} is of another authority than the present one: the kubelet asks for a new one", flush=True
            )
            path.unlink()


def _is_signed(certificate: Path, authority: str) -> bool:
    """Whether `authority`, PEM, has signed it. One that has expired is the kubelet's own business."""
    put(RUN / "kubelet-authority.crt", authority)
    command = ["openssl", "verify", "-no_check_time", "-no-CApath", "-no-CAstore", "-partial_chain"]
    done = subprocess.run(
        [*command, "-CAfile", str(RUN / "kubelet-authority.crt"), str(certificate)], capture_output=True, check=False
    )
    return done.returncode == 0


def _signed(authority: Mapping[str, str], name: str) -> str:
    """A certificate for the kubelet of node `name`, and its key, as PEM."""
    RUN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RUN) as folder:  # in memory
        paths = {file: Path(folder, file) for file in ("request", "ca.crt", "ca.key", "key")}
        write(paths["request"], REQUEST.format(name=name))
        for file in ("ca.crt", "ca.key"):
            write(paths[file], authority[f"kubelet-client-{file}"], mode=0o600)
        certificate = run(
            *("openssl", "req", "-x509", "-config", str(paths["request"]), "-days", str(DAYS)),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(paths["key"])),
            *("-CA", str(paths["ca.crt"]), "-CAkey", str(paths["ca.key"]), "-set_serial", str(secrets.randbits(159))),
        )
        return certificate + paths["key"].read_text()
