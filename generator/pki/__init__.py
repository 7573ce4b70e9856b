"""A cluster's authorities, certificates and keys, and the document of them that each component gets."""

from generator.pki.certificate import fingerprint
from generator.pki.cluster import (
    TOKEN_AGE,
    TOKEN_LIFE,
    Renewal,
    ensure,
    expiries,
    fingerprints,
    is_token_old,
    reissue,
    vouching,
)
from generator.pki.documents import LOGIN, RESTORE, admin_kubeconfig, documents, readers, restoring, version
from generator.pki.person import Access, Person, grant

__all__ = [
    "LOGIN",
    "RESTORE",
    "TOKEN_AGE",
    "TOKEN_LIFE",
    "Access",
    "Person",
    "Renewal",
    "admin_kubeconfig",
    "documents",
    "ensure",
    "expiries",
    "fingerprint",
    "fingerprints",
    "grant",
    "is_token_old",
    "readers",
    "reissue",
    "restoring",
    "version",
    "vouching",
]
