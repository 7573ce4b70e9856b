"""When the certificates of this machine's kubelet end, told by its node: nobody else can see it.

The kubelet renews them by itself, so what it has asked for says nothing of what it uses.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

from agent.api import MERGE, Api
from agent.drain import NODES
from agent.files import put
from agent.host import RUN, Host, NodeError, run
from agent.node_certificates import AUTHORITIES, CA, CLIENT

ENDS = "anywhere/certificates"  # an annotation: certificate -> when it ends
TOLD = RUN / "certificates-told"  # of which files, and when
AGAIN_SECONDS = 3600  # told again, as the node may have been registered anew, or restored from a snapshot


def tell(me: Host) -> None:
    """Annotate the node of this machine; nothing where it was told, or where there is no kubelet."""
    files = [path for path in AUTHORITIES if path.exists()]
    state = " ".join(str(path.stat().st_mtime_ns) for path in files)
    told, _, at = TOLD.read_text().partition(" at ") if TOLD.exists() else ("", "", "0")
    if not CLIENT.exists() or (told == state and time.monotonic() - float(at) < AGAIN_SECONDS):
        return
    try:
        said = json.dumps({path.name.partition("-current")[0]: _of(path) for path in files})
        change = {"metadata": {"annotations": {ENDS: said}}}
        Api(CA, CLIENT, CLIENT, 10).call("PATCH", f"{NODES}/{me.name}", change, MERGE)
    except (NodeError, OSError, http.client.HTTPException) as error:
        return print(f"when certificates end is not told yet: {error}", flush=True)
    put(TOLD, f"{state} at {time.monotonic()}")


def end(certificate: str) -> int:
    """When the first certificate of a PEM text ends, in seconds since the epoch."""
    said = run("openssl", "x509", "-noout", "-enddate", stdin=certificate.encode()).strip()
    return ssl.cert_time_to_seconds(said.removeprefix("notAfter="))


def _of(path: Path) -> str:
    """When the certificate in a file ends, in UTC."""
    return datetime.fromtimestamp(end(path.read_text()), UTC).isoformat()
