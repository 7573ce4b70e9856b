"""The NoCloud seed: the small ISO from which cloud-init learns what a machine is."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence

from generator.yaml_text import quoted

LABEL = "cidata"


def network_config(user_mac: str, cluster_mac: str | None, address: str) -> str:
    """Netplan version 2. The way out is the user NIC's; the cluster's NIC has no default route."""
    ethernets: dict[str, object] = {"outside": {"match": {"macaddress": user_mac}, "dhcp4": True, "dhcp6": False}}
    if cluster_mac:
        ethernets["cluster"] = {
            "match": {"macaddress": cluster_mac},
            "addresses": [address],
            "dhcp4": False,
            "dhcp6": False,
            "accept-ra": False,
        }
    return json.dumps({"version": 2, "ethernets": ethernets}, indent=1)  # JSON is YAML


def meta_data(instance: str, name: str, ssh_keys: Sequence[str]) -> str:
    """`instance` changes only with the machine: cloud-init sets up each instance once."""
    keys = ", ".join(map(quoted, ssh_keys))
    return f"instance-id: {quoted(instance)}\nlocal-hostname: {quoted(name)}\npublic-keys: [{keys}]\n"


def image(files: Mapping[str, str]) -> bytes:
    """An ISO 9660 image (Joliet and Rock Ridge) of these files."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for number, (name, text) in enumerate(sorted(files.items())):
        data = text.encode()
        iso.add_fp(io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return written.getvalue()
