"""What each component may know: one document of files a component, and who may read it.

No document holds the key of the kubernetes, etcd or front-proxy authority; those stay in the store. The two
that sign kubelet certificates are the controller-manager's alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from generator import agekey
from generator.dns_names import API_SERVER, API_URL
from generator.errors import UserError
from generator.pki import encryption, kubeconfig, rotation
from generator.pki.certificate import public_pem
from generator.pki.cluster import SERVING
from generator.registry_login import Login
from generator.store import Pair, Secrets, Token
from generator.topology import Topology

LOGIN = "registry"  # the component that is the login to the registry
RESTORE = "restore"  # the one that machines with etcd restore a snapshot with
BOOTSTRAP_GROUP = "system:bootstrappers:anywhere"
KUBELET_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"  # where a kubelet keeps it, with its key


def documents(secrets: Secrets, login: Login | None = None) -> dict[str, dict[str, str]]:
    """Component -> {file name: text}, of secrets that `ensure` completed; `login` is that to the registry."""
    logins = {LOGIN: _login(secrets, login)} if login else {}
    return logins | {
        "etcd": _etcd(secrets),
        "kube-apiserver": _apiserver(secrets),
        "kube-controller-manager": _controller_manager(secrets),
        "kube-scheduler": {
            "ca.crt": _ca(secrets, "kubernetes"),
            "kubeconfig": _kubeconfig(secrets, "kube-scheduler"),
            "front-proxy-ca.crt": _ca(secrets, "front-proxy"),
        },
        "kubelet": {
            "ca.crt": _ca(secrets, "kubernetes"),
            "bootstrap-kubeconfig": kubeconfig.for_token(
                secrets.cluster, "kubelet-bootstrap", API_URL, _ca(secrets, "kubernetes"), _token(secrets)
            ),
            "kubeconfig": kubeconfig.for_file(
                secrets.cluster, "kubelet", API_URL, _ca(secrets, "kubernetes"), KUBELET_CERTIFICATE
            ),
            # Those that a kubelet's own certificates must be of: it asks for others where they are not.
            "client-ca.crt": secrets.authorities["kubelet-client"].crt,
            "serving-ca.crt": secrets.authorities["kubelet-serving"].crt,
        },
        "addons": {
            "ca.crt": _ca(secrets, "kubernetes"),
            **_files("client", secrets.leaves["addons"]),
            "kubeconfig": _kubeconfig(secrets, "addons"),
            "bootstrap-token.yaml": _bootstrap_token(_token(secrets)),
            **_serving(secrets),
        },
        "snapshots": {"recipient": agekey.recipient(secrets.keys["snapshots"])},
        "weave": {"password": secrets.keys["weave"]},
    }


def restoring(secrets: Secrets) -> dict[str, str]:
    """The document of RESTORE: what opens snapshots, for as long as one is restored."""
    return {"identity": secrets.keys["snapshots"]}


def readers(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Component -> the machine roles that may read its document. Only etcd's place depends on the topology."""
    master = ("master",)
    etcd = tuple(sorted({machine.role for machine in topology.having("etcd")}))
    return {
        "etcd": etcd,
        "snapshots": etcd,
        RESTORE: etcd,
        "kube-apiserver": master,
        "kube-controller-manager": master,
        "kube-scheduler": master,
        "kubelet": ("master", "worker"),
        "addons": master,
        "weave": ("etcd", "master", "worker"),
        LOGIN: ("etcd", "master", "worker"),
    }


def version(document: Mapping[str, str]) -> str:
    """12 hexadecimal digits of its content. As a number it fits wherever a 53-bit integer does.

    It may be public: every document holds at least 80 bits of chance, or nothing but what is public.
    """
    return hashlib.sha256(json.dumps(dict(document), sort_keys=True).encode()).hexdigest()[:12]


def admin_kubeconfig(secrets: Secrets, server: str, name: str) -> str:
    """For the user's own machine, which reaches the API at `server` (a URL). UserError before the first apply.

    `name` is that of the context, its cluster and its user; a user's file may have those of many clusters.
    """
    if "admin" not in secrets.leaves:
        raise UserError(f"Cluster {secrets.cluster!r} has no secrets yet.", "Run `anywhere apply` first.")
    ca, admin = _ca(secrets, "kubernetes"), secrets.leaves["admin"]
    return kubeconfig.for_certificate(name, name, server, ca, admin, tls_server_name=API_SERVER)


def _etcd(secrets: Secrets) -> dict[str, str]:
    return {
        "ca.crt": _ca(secrets, "etcd"),
        **_files("server", secrets.leaves["etcd-server"]),
        **_files("peer", secrets.leaves["etcd-peer"]),
        **_files("client", secrets.leaves["etcd-client"]),
    }


def _apiserver(secrets: Secrets) -> dict[str, str]:
    account = secrets.keys["service-account"]
    return {
        "ca.crt": _ca(secrets, "kubernetes") + _ca(secrets, "kubelet-client"),
        "server-ca.crt": _ca(secrets, "kubernetes"),
        **_files("server", secrets.leaves["kube-apiserver"]),
        "etcd-ca.crt": _ca(secrets, "etcd"),
        **_files("etcd-client", secrets.leaves["kube-apiserver-etcd-client"]),
        "kubelet-serving-ca.crt": _ca(secrets, "kubelet-serving"),
        **_files("kubelet-client", secrets.leaves["kube-apiserver-kubelet-client"]),
        "front-proxy-ca.crt": _ca(secrets, "front-proxy"),
        **_files("front-proxy-client", secrets.leaves["front-proxy-client"]),
        "service-account.pub": "".join(map(public_pem, rotation.keys(secrets, rotation.SERVICE_ACCOUNT))),
        "service-account.key": account,
        "encryption.yaml": encryption.configuration(rotation.keys(secrets, rotation.ENCRYPTION)),
    }


def _controller_manager(secrets: Secrets) -> dict[str, str]:
    return {
        "ca.crt": _ca(secrets, "kubernetes"),
        "kubeconfig": _kubeconfig(secrets, "kube-controller-manager"),
        **_files("kubelet-client-ca", secrets.authorities["kubelet-client"]),
        **_files("kubelet-serving-ca", secrets.authorities["kubelet-serving"]),
        "service-account.key": secrets.keys["service-account"],
        "front-proxy-ca.crt": _ca(secrets, "front-proxy"),
    }


def _serving(secrets: Secrets) -> dict[str, str]:
    """The certificates of add-ons, by the Services that they are of."""
    found = {name: pair for name, pair in secrets.leaves.items() if name.startswith(SERVING)}
    return {
        file: text for name, pair in found.items() for file, text in _files(name.removeprefix(SERVING), pair).items()
    }


def _login(secrets: Secrets, login: Login) -> dict[str, str]:
    """Docker's file of logins. A person's password may be guessed by the version of its document, but for the salt."""
    salt = hashlib.sha256(f"registry {secrets.keys['encryption']}".encode()).hexdigest()
    return {"config.json": login.docker_config(), "salt": salt}


def _ca(secrets: Secrets, name: str) -> str:
    """What vouches for certificates of an authority: more than one certificate while it is rotated."""
    return "".join(pair.crt for pair in rotation.trusted(secrets, name))


def _files(stem: str, pair: Pair) -> dict[str, str]:
    return {f"{stem}.crt": pair.crt, f"{stem}.key": pair.key}


def _kubeconfig(secrets: Secrets, leaf: str) -> str:
    ca = _ca(secrets, "kubernetes")
    return kubeconfig.for_certificate(secrets.cluster, leaf, API_URL, ca, secrets.leaves[leaf])


def _token(secrets: Secrets) -> Token:
    if secrets.token is None:
        raise ValueError("secrets without a bootstrap token: ensure() comes first")
    return secrets.token


def _bootstrap_token(token: Token) -> str:
    # Quoted: an id of digits alone would be a number. The master that applies it says until when, again and again.
    return f"""\
# /api/v1/namespaces/kube-system/secrets/bootstrap-token-{token.id}
apiVersion: v1
kind: Secret
metadata:
  name: "bootstrap-token-{token.id}"
  namespace: kube-system
type: bootstrap.kubernetes.io/token
stringData:
  token-id: "{token.id}"
  token-secret: "{token.secret}"
  expiration: "@EXPIRATION@"
  usage-bootstrap-authentication: "true"
  usage-bootstrap-signing: "true"
  auth-extra-groups: "{BOOTSTRAP_GROUP}"
"""
