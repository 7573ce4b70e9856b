"""The names of the control plane in the cluster's own domain, which every network driver resolves."""

from __future__ import annotations

DOMAIN = "weave.local"
API_SERVER = f"kube-apiserver.{DOMAIN}"  # every API server has it; the certificates of the API are for it
API_URL = f"https://{API_SERVER}:6443"
API_SERVICE = "kubernetes.default.svc.cluster.local"  # as pods call the API, by the cluster's own DNS


def etcd(member: str) -> str:
    """The name of an etcd member such as `etcd1`, or of its placeholder."""
    return f"{member}.{DOMAIN}"
