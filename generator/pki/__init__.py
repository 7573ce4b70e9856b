"""A cluster's authorities, certificates and keys, and the document of them that each component gets."""

from generator.pki.cluster import TOKEN_AGE, Renewal, ensure, expiries, fingerprints, rotate
from generator.pki.documents import LOGIN, RESTORE, admin_kubeconfig, documents, readers, restoring, version
from generator.pki.person import Access, Person, grant

__all__ = [
    "LOGIN",
    "RESTORE",
    "TOKEN_AGE",
    "Access",
    "Person",
    "Renewal",
    "admin_kubeconfig",
    "documents",
    "ensure",
    "expiries",
    "fingerprints",
    "grant",
    "readers",
    "restoring",
    "rotate",
    "version",
]
