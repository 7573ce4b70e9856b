"""`python -m tests.offline.cloud`: an AWS of this machine alone (moto), where Debian's images are published.

The first line of output is its address; the end of standard input ends the program.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEBIAN = "136693071363"
_BUILD = "20251117-2299"
QUOTA = 64.0  # vCPUs, VPCs, addresses: enough of anything for a cluster
NO_ENDPOINTS = b"<Response><instanceConnectEndpointSet/></Response>"


def image(arch: str, architecture: str) -> dict[str, Any]:
    """A Debian 13 image; `arch` is Debian's word, `architecture` is EC2's."""
    name = f"debian-13-{arch}-{_BUILD}"
    return {
        "ami_id": f"ami-{0xDEB13000 + (arch == 'arm64'):017x}",
        "name": name,
        "description": f"Debian 13 ({_BUILD})",
        "architecture": architecture,
        "owner_id": DEBIAN,
        "image_location": f"{DEBIAN}/{name}",
        "public": True,
        "state": "available",
        "image_type": "machine",
        "platform": None,
        "virtualization_type": "hvm",
        "hypervisor": "xen",
        "sriov": "simple",
        "root_device_type": "ebs",
        "root_device_name": "/dev/xvda",
        "boot_mode": "uefi-preferred" if arch == "amd64" else "uefi",
    }


class Answers:
    """A WSGI application before moto that answers what moto does not know: quotas, and SSH endpoints (none)."""

    def __init__(self, moto: Any) -> None:
        self._moto = moto

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = self._own(environ)
        if body is None:
            return self._moto(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))])
        return [body]

    def _own(self, environ: dict[str, Any]) -> bytes | None:
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("ServiceQuotasV20190624."):
            return json.dumps({"Quota": {"Value": QUOTA}}).encode()
        if "/ec2/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        asked = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(asked)
        return NO_ENDPOINTS if b"Action=DescribeInstanceConnectEndpoints" in asked else None


def serve(ready: Callable[[str], None]) -> None:
    """Answer on a free port of this machine until standard input ends; `ready` is told the address."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log(self, kind: str, message: str, *arguments: Any) -> None:
            """Nothing: who runs a command offline reads what the command says."""

    moto = Answers(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, moto, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready(f"http://127.0.0.1:{server.port}")
    sys.stdin.read()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="anywhere-offline-") as folder:
        published = Path(folder) / "images.json"
        published.write_text(json.dumps([image("amd64", "x86_64"), image("arm64", "arm64")]))
        os.environ["MOTO_AMIS_PATH"] = str(published)  # read when moto is imported
        serve(lambda address: print(address, flush=True))
    os._exit(0)  # nothing of it is to be kept


if __name__ == "__main__":
    main()
