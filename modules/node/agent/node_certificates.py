"""The certificates that this machine's kubelet asked for: where an authority was rotated, it has to ask for others."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent.files import put
from agent.host import RUN

FOLDER = Path("/var/lib/kubelet/pki")
CLIENT, SERVER = (FOLDER / f"kubelet-{kind}-current.pem" for kind in ("client", "server"))  # each with its key
AUTHORITIES = {CLIENT: "client-ca.crt", SERVER: "serving-ca.crt"}  # of the kubelet's bundle


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
