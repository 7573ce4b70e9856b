"""Approve the serving certificates that kubelets ask for; runs on every master.

Kubernetes signs them but leaves the decision to the cluster. A request is approved if a node asks for nothing but its
own name and addresses of this cluster's networks; others are left for a person to decide.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from agent import kubectl
from agent.api import Api
from agent.host import NodeError, run

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kubelet-serving"
USAGES = {"digital signature", "key encipherment", "server auth"}


def acceptable(request: Mapping[str, Any], described: str, networks: list[ipaddress.IPv4Network]) -> bool:
    """Whether to approve; `described` is the request as `openssl req -text` prints it."""
    spec = request["spec"]
    user = str(spec["username"])
    if spec["signerName"] != SIGNER or not user.startswith("system:node:"):
        return False
    if "system:nodes" not in spec.get("groups", ()) or not set(spec["usages"]) <= USAGES:
        return False
    subject = re.search(r"^\s*Subject: O\s*=\s*system:nodes, CN\s*=\s*(\S+)$", described, re.MULTILINE)
    listed = re.findall(r"X509v3 Subject Alternative Name:.*\n(.*)", described)
    names = [entry.strip() for line in listed for entry in line.split(",")]
    own = f"DNS:{user.removeprefix('system:node:')}"
    addresses = [entry for entry in names if entry != own]
    return (
        subject is not None
        and subject.group(1) == user
        and bool(addresses)
        and all(_within(entry, networks) for entry in addresses)
    )


def _within(entry: str, networks: list[ipaddress.IPv4Network]) -> bool:
    """Whether an alternative name, as openssl prints it, is an address of these networks."""
    try:
        address = ipaddress.IPv4Address(entry.removeprefix("IP Address:"))
    except ValueError:
        return False
    return entry.startswith("IP Address:") and any(address in network for network in networks)


def approve(api: Api, request: dict[str, Any], networks: list[ipaddress.IPv4Network]) -> None:
    """Approve one pending request if it is acceptable."""
    if request.get("status", {}).get("conditions") or request["spec"]["signerName"] != SIGNER:
        return
    pem = base64.b64decode(request["spec"]["request"])
    described = run("openssl", "req", "-noout", "-text", "-nameopt", "RFC2253,-dn_rev,sep_comma_plus_space", stdin=pem)
    name = request["metadata"]["name"]
    if not acceptable(request, described, networks):
        print(f"{name}: not approved: {request['spec']['username']} asks for something that is not its own", flush=True)
        return
    condition = {"type": "Approved", "status": "True", "reason": "OwnNameAndAddress"}
    request["status"] = {"conditions": [condition | {"message": "approved by anywhere: a node's own name and address"}]}
    api.call("PUT", f"{REQUESTS}/{name}/approval", request)
    print(f"{name}: approved for {request['spec']['username']}", flush=True)


def main() -> None:
    """Watch until stopped; the arguments are the networks whose addresses a node may have."""
    networks = [ipaddress.IPv4Network(text) for text in sys.argv[1:]]
    while True:
        try:
            api = kubectl.api()
            for request in api.watch(REQUESTS):
                approve(api, request, networks)
        except (OSError, NodeError, http.client.HTTPException) as error:
            print(f"waiting for the API: {error}", flush=True)
            time.sleep(2)


if __name__ == "__main__":
    main()
