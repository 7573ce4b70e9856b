"""The key that Secrets are encrypted with in etcd. What it encrypted has its name beside it, so each has its own."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from secrets import token_bytes

_FIRST = "key1"  # a key without a name, as every cluster begins with


def make() -> str:
    """The first key of a cluster."""
    return b64encode(token_bytes(32)).decode()


def make_after(key: str) -> str:
    """A key that takes the place of `key`, as NAME:SECRET."""
    name, _ = _parts(key)
    return f"key{int(name.removeprefix('key')) + 1}:{make()}"


def configuration(keys: Sequence[str]) -> str:
    """EncryptionConfiguration: the first of `keys` encrypts, all of them decrypt, and what is in plain can be read."""
    return "".join(
        (
            "apiVersion: apiserver.config.k8s.io/v1\n",
            "kind: EncryptionConfiguration\n",
            "resources:\n",
            "- resources: [secrets]\n",
            "  providers:\n",
            "  - secretbox:\n",
            "      keys:\n",
            *(f"      - name: {name}\n        secret: {secret}\n" for name, secret in map(_parts, keys)),
            "  - identity: {}\n",
        )
    )


def _parts(key: str) -> tuple[str, str]:
    name, _, secret = key.rpartition(":")
    return name or _FIRST, secret
