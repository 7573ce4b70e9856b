"""Which authorities, certificates and keys a cluster has, and keeping them present and fresh. Pure but for chance."""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Network
from secrets import choice, token_hex
from types import MappingProxyType

from generator import agekey, dns_names
from generator.errors import UserError
from generator.pki import certificate, encryption, rotation
from generator.pki.certificate import CLIENT, SERVER, Leaf
from generator.store import Pair, Phase, Secrets, Token

AUTHORITIES = ("kubernetes", "etcd", "front-proxy", "kubelet-client", "kubelet-serving")
# A bootstrap token older than this is replaced. Masters keep the one they are told of alive, so any works.
TOKEN_AGE = timedelta(days=7)
TOKEN_LIFE = timedelta(days=1)  # in the cluster, without them: see modules/node/agent/addons.py
# How long the certificates of each component live. They are renewed two weeks apart, so that no apply which comes by
# restarts the whole control plane. By component alone: the machines of one have the same certificates, which are good
# for all their names, and take them in turns. Only kubelets have their own, whose ends they scatter themselves.
LIVES = {
    name: timedelta(days=364 - 21 * number)
    for number, name in enumerate(
        ("admin", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "addons")
    )
}


class Renewal(Enum):
    """What `ensure` replaces because of its age. What is missing is made in any case."""

    NOTHING = "nothing"
    CERTIFICATES = "certificates"
    ALL = "certificates and the bootstrap token"


# etcd asks the DNS for these one by one until a peer's address is among them: those that exist come first.
_ETCD_NAMES = (*(dns_names.etcd(f"etcd{n}") for n in range(1, 10)), "localhost", "127.0.0.1")
_API_NAMES = (
    dns_names.API_SERVER,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
)


SERVING = "serving "  # begins the names of certificates of add-ons


def leaves(
    services: IPv4Network, names: Collection[str] = (), serving: Mapping[str, Collection[str]] = MappingProxyType({})
) -> Mapping[str, Leaf]:
    """Every end certificate of a cluster, by name. Those of one component end together, as one restart renews them."""
    api_names, api = dict.fromkeys((*_API_NAMES, str(services[1]), *sorted(names))), LIVES["kube-apiserver"]
    return {
        # etcd's gateway is a client of its own server, so that certificate is good for both
        "etcd-server": Leaf("etcd", "etcd-server", (SERVER, CLIENT), names=_ETCD_NAMES, life=LIVES["etcd"]),
        "etcd-peer": Leaf("etcd", "etcd-peer", (SERVER, CLIENT), names=_ETCD_NAMES, life=LIVES["etcd"]),
        "etcd-client": Leaf("etcd", "etcd-client", (CLIENT,), life=LIVES["etcd"]),
        "kube-apiserver": Leaf("kubernetes", "kube-apiserver", (SERVER,), names=tuple(api_names), life=api),
        "kube-apiserver-etcd-client": Leaf("etcd", "kube-apiserver", (CLIENT,), life=api),
        "kube-apiserver-kubelet-client": Leaf(
            "kubernetes", "kube-apiserver-kubelet-client", (CLIENT,), ("anywhere:kubelet-api",), life=api
        ),
        "front-proxy-client": Leaf("front-proxy", "front-proxy-client", (CLIENT,), life=api),
        "kube-controller-manager": Leaf(
            "kubernetes", "system:kube-controller-manager", (CLIENT,), life=LIVES["kube-controller-manager"]
        ),
        "kube-scheduler": Leaf("kubernetes", "system:kube-scheduler", (CLIENT,), life=LIVES["kube-scheduler"]),
        "addons": Leaf("kubernetes", "anywhere-addons", (CLIENT,), ("system:masters",), life=LIVES["addons"]),
        "admin": Leaf("kubernetes", "anywhere-admin", (CLIENT,), ("system:masters",), life=LIVES["admin"]),
        **{f"{SERVING}{service}": _serving(service, others) for service, others in serving.items()},
    }


def _serving(service: str, others: Collection[str]) -> Leaf:
    """What clients believe a Service of kube-system by; `others` are what they call it beside its own names."""
    host = f"{service}.kube-system.svc"
    return Leaf("kubernetes", host, (SERVER,), names=(host, f"{host}.cluster.local", *others), life=LIVES["addons"])


def ensure(
    secrets: Secrets,
    now: datetime,
    services: IPv4Network,
    names: Collection[str] = (),
    renewal: Renewal = Renewal.ALL,
    serving: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Secrets:
    """The same secrets, with what is missing made and, as `renewal` says, what is near its end renewed.

    `names` are further names and addresses by which clients reach the API, `serving` the Services of add-ons that have
    a certificate, with further names of each. Authorities are renewed with the
    key they have, so nothing that trusts them breaks; a certificate that no longer says what it should
    (as when the services range changed) is issued again. Fresh secrets come back equal. A bootstrap token is old
    after TOKEN_AGE.
    """
    certificates, tokens = renewal is not Renewal.NOTHING, renewal is Renewal.ALL
    authorities = {name: _authority(secrets, name, now, renew=certificates) for name in AUTHORITIES}
    issued = {
        name: _leaf(secrets.leaves.get(name), leaf, authorities[leaf.authority], now, renew=certificates)
        for name, leaf in leaves(services, names, serving).items()
    }
    return replace(
        secrets,
        authorities=authorities,
        leaves=issued,
        keys=_keys(secrets.keys),
        token=_token(secrets.token, now, TOKEN_AGE if tokens else timedelta.max),
    )


def reissue(
    secrets: Secrets, reissued: Collection[str], now: datetime, services: IPv4Network, names: Collection[str] = ()
) -> Secrets:
    """Issue the `reissued` certificates again, with new keys; UserError where a name is not a certificate's."""
    known = leaves(services, names)
    if unknown := sorted(set(reissued) - set(known)):
        raise UserError(f"There is no certificate {unknown[0]!r}.", f"Use one of: {', '.join(sorted(known))}.")
    kept = {name: pair for name, pair in secrets.leaves.items() if name not in reissued}
    return ensure(replace(secrets, leaves=kept), now, services, names)


def expiries(secrets: Secrets) -> tuple[tuple[str, datetime], ...]:
    """What ends when, the soonest first."""
    ends = [(f"{name} CA", certificate.expiry(pair.crt)) for name, pair in secrets.authorities.items()]
    ends += [(name, certificate.expiry(pair.crt)) for name, pair in secrets.leaves.items()]
    return tuple(sorted(ends, key=lambda item: (item[1], item[0])))


def fingerprints(secrets: Secrets) -> dict[str, str]:
    """The SHA-256 of each authority's public key, which stays the same when the authority is renewed."""
    return {name: certificate.fingerprint(pair.crt) for name, pair in sorted(secrets.authorities.items())}


def vouching(secrets: Secrets) -> dict[str, tuple[str, ...]]:
    """The same of each authority, beside that of the one whose place it took in a rotation that is not over."""
    replaced = secrets.rotation and secrets.rotation.phase is Phase.ISSUE
    return {
        name: tuple(
            certificate.fingerprint(pair.crt) for pair in (rotation.trusted(secrets, name) if replaced else (now,))
        )
        for name, now in sorted(secrets.authorities.items())
    }


def _authority(secrets: Secrets, name: str, now: datetime, *, renew: bool) -> Pair:
    pair = secrets.authorities.get(name)
    if pair and not (renew and certificate.is_old(pair.crt, now)):
        return pair
    return certificate.authority(name, secrets.cluster, now, pair.key if pair else None)


def _leaf(pair: Pair | None, leaf: Leaf, issuer: Pair, now: datetime, *, renew: bool) -> Pair:
    if pair and certificate.fits(pair.crt, leaf, issuer) and not (renew and certificate.is_old(pair.crt, now)):
        return pair
    return certificate.issue(leaf, issuer, now)


def _keys(keys: Mapping[str, str]) -> Mapping[str, str]:
    makers: Mapping[str, Callable[[], str]] = {
        "service-account": certificate.make_key,
        "encryption": encryption.make,
        "snapshots": agekey.new,
        "weave": lambda: token_hex(32),  # hex: nothing that an option parser or a shell could misread
    }
    return {name: keys.get(name) or make() for name, make in makers.items()}


def is_token_old(secrets: Secrets, now: datetime) -> bool:
    """Whether `ensure` replaces the bootstrap token because of its age."""
    return secrets.token is not None and now - secrets.token.made > TOKEN_AGE


def _token(token: Token | None, now: datetime, age: timedelta) -> Token:
    if token and now - token.made <= age:
        return token
    return Token(_word(6), _word(16), now.replace(microsecond=0))


def _word(length: int) -> str:
    return "".join(choice(string.ascii_lowercase + string.digits) for _ in range(length))
