"""A person as the API knows them: a name, groups, and a client certificate that ends soon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network

from generator.dns_names import API_SERVER
from generator.errors import UserError
from generator.pki import certificate, cluster, kubeconfig, rotation
from generator.pki.certificate import CLIENT, Leaf
from generator.store import Secrets

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=24)
_TTL = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?")
# At most 64 characters, as X.509 has them. A name has no colon, so it is never that of a token with a prefix.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_GROUP = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._@+:/-]{0,63}")
_KEPT = ("system:", "anywhere:", "anywhere-")  # what the identities of Kubernetes and of anywhere begin with
_COMPONENTS = {leaf.common_name for leaf in cluster.leaves(IPv4Network("10.96.0.0/16")).values()}


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is to the API, and for how long."""

    name: str
    groups: tuple[str, ...]
    ttl: timedelta

    @classmethod
    def of(cls, name: str, groups: Sequence[str], ttl: str) -> Person:
        """As given on the command line; UserError where that would be nobody, or somebody else."""
        return cls(_checked_name(name), tuple(dict.fromkeys(map(_checked_group, groups))), _duration(ttl))


@dataclass(frozen=True, slots=True)
class Access:
    """A kubeconfig for a person, and when its certificate ends (aware, UTC)."""

    kubeconfig: str
    ends: datetime


def grant(secrets: Secrets, server: str, person: Person, context: str, now: datetime) -> Access:
    """A new key and certificate for the person, kept nowhere else. UserError before the first apply.

    `context` is what kubectl calls the cluster, which is at `server` (a URL).
    """
    if "kubernetes" not in secrets.authorities:
        raise UserError(f"Cluster {secrets.cluster!r} has no secrets yet.", "Run `anywhere apply` first.")
    ca = "".join(pair.crt for pair in rotation.trusted(secrets, "kubernetes"))
    leaf = Leaf("kubernetes", person.name, (CLIENT,), person.groups, life=person.ttl)
    pair = certificate.issue(leaf, secrets.authorities["kubernetes"], now)
    user = f"{person.name}@{context}"
    text = kubeconfig.for_certificate(context, user, server, ca, pair, API_SERVER, context=user)
    return Access(text, certificate.expiry(pair.crt))


def _checked_name(name: str) -> str:
    if name in _COMPONENTS or name.startswith(_KEPT):
        raise UserError(
            f"{name!r} is a name that Kubernetes or anywhere keeps for its own parts.",
            "Give the person's own name, such as --user alice or --user alice@example.com.",
        )
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is not a name for a person.",
            "Use letters, digits and . _ @ + -, at most 64, such as --user alice@example.com.",
        )
    return name


def _checked_group(group: str) -> str:
    if group == "system:masters":
        raise UserError(
            "The group system:masters may do anything, and no RBAC rule can take that back.",
            "Bind a group of your own to cluster-admin, and give that: kubectl create clusterrolebinding"
            " cluster-admins --clusterrole=cluster-admin --group=cluster-admins. For emergencies,"
            " `anywhere kubeconfig` without --user is the administrator.",
        )
    if group.startswith(_KEPT):
        raise UserError(
            f"{group!r} is a group that Kubernetes or anywhere keeps for its own parts.",
            "Give a group of your own, such as --group developers, and bind it to a role.",
        )
    if not _GROUP.fullmatch(group):
        raise UserError(
            f"{group!r} is not a name for a group.",
            "Use letters, digits and . _ @ + : / -, at most 64, such as --group developers.",
        )
    return group


def _duration(ttl: str) -> timedelta:
    """`8h`, `30m` or `1h30m`, as kubectl takes durations."""
    match = _TTL.fullmatch(ttl)
    if not ttl or not match:
        raise UserError(f"{ttl!r} is not a duration.", "Such as --ttl 8h, --ttl 30m or --ttl 1h30m.")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    found = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not SHORTEST <= found <= LONGEST:
        raise UserError(
            f"A certificate lives 1m to 24h, not {ttl}: nothing can call it back before its end.",
            "Take a --ttl within that, and issue another when it has ended. A person who needs more logs in with"
            " tokens of an identity provider: spec.access.authentication.",
        )
    return found
