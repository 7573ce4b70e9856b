"""`python -m tests.offline.cloud`: an AWS of this machine alone (moto), where Debian's images are published.

The first line of output is its address; the end of standard input ends the program.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

DEBIAN = "136693071363"
_BUILD = "20251117-2299"


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


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="anywhere-offline-") as folder:
        published = Path(folder) / "images.json"
        published.write_text(json.dumps([image("amd64", "x86_64"), image("arm64", "arm64")]))
        os.environ["MOTO_AMIS_PATH"] = str(published)
        from moto.server import ThreadedMotoServer  # reads the list of images when it is imported

        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        print(f"http://{host}:{port}", flush=True)
        sys.stdin.read()
    os._exit(0)  # nothing of it is to be kept


if __name__ == "__main__":
    main()
