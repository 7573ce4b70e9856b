"""A cluster's authorities, certificates and keys, and the document of them that each component gets."""

from generator.pki.cluster import TOKEN_AGE, Renewal, ensure, expiries, fingerprints, rotate
from generator.pki.documents import LOGIN, admin_kubeconfig, documents, readers, version

__all__ = [
    "LOGIN",
    "TOKEN_AGE",
    "Renewal",
    "admin_kubeconfig",
    "documents",
    "ensure",
    "expiries",
    "fingerprints",
    "readers",
    "rotate",
    "version",
]
