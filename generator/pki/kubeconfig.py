"""Kubeconfigs: one cluster, one user, everything embedded."""

from __future__ import annotations

import json
from base64 import b64encode

from generator.store import Pair, Token


def for_certificate(
    cluster: str, user: str, server: str, ca: str, pair: Pair, tls_server_name: str = "", context: str = ""
) -> str:
    """YAML for a client with a certificate; `server` is a URL. The context is called as the cluster if not given."""
    lines = [f"client-certificate-data: {_base64(pair.crt)}", f"client-key-data: {_base64(pair.key)}"]
    return _kubeconfig(context or cluster, cluster, user, server, ca, lines, tls_server_name)


def for_file(cluster: str, user: str, server: str, ca: str, path: str) -> str:
    """YAML for a client whose certificate and key are both in the file at `path`, where they may change."""
    lines = [f"client-certificate: {json.dumps(path)}", f"client-key: {json.dumps(path)}"]
    return _kubeconfig(cluster, cluster, user, server, ca, lines, "")


def for_token(cluster: str, user: str, server: str, ca: str, token: Token) -> str:
    """YAML for a client with a bearer token."""
    lines = [f"token: {json.dumps(f'{token.id}.{token.secret}')}"]
    return _kubeconfig(cluster, cluster, user, server, ca, lines, "")


def _kubeconfig(
    context: str, cluster: str, user: str, server: str, ca: str, credentials: list[str], tls_server_name: str
) -> str:
    # of ASCII, JSON's strings are YAML's
    way, name, person = json.dumps(context), json.dumps(cluster), json.dumps(user)
    lines = [
        "apiVersion: v1",
        "kind: Config",
        "clusters:",
        f"- name: {name}",
        "  cluster:",
        f"    server: {json.dumps(server)}",
        *([f"    tls-server-name: {json.dumps(tls_server_name)}"] if tls_server_name else []),
        f"    certificate-authority-data: {_base64(ca)}",
        "users:",
        f"- name: {person}",
        "  user:",
        *(f"    {line}" for line in credentials),
        "contexts:",
        f"- name: {way}",
        "  context:",
        f"    cluster: {name}",
        f"    user: {person}",
        f"current-context: {way}",
    ]
    return "\n".join(lines) + "\n"


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
