"""A cluster's authorities, certificates and keys, and the document of them that each component gets."""

from generator.pki.cluster import ANY_AGE, TOKEN_AGE, ensure, expiries, rotate
from generator.pki.documents import admin_kubeconfig, documents, readers, version

__all__ = [
    "ANY_AGE",
    "TOKEN_AGE",
    "admin_kubeconfig",
    "documents",
    "ensure",
    "expiries",
    "readers",
    "rotate",
    "version",
]
