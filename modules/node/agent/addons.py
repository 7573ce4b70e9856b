"""Add-ons: the manifests of the release, applied from a master when they change, and again every few minutes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import bundle, kubectl
from agent.files import put, write
from agent.host import STATE

TOKEN = "bootstrap-token.yaml"
TOKEN_SECONDS = 24 * 3600  # how long the bootstrap token is valid once it is applied
# After how long a group is applied again although it is unchanged: somebody may have deleted or edited what it made.
AGAIN_SECONDS = 600
# Not so often, as it writes a new date of expiry each time.
LASTS = {"bootstrap": TOKEN_SECONDS / 2}


def install_keys(release: Mapping[str, Any]) -> None:
    """Write the add-on identity's files, for root alone."""
    kubectl.KEYS.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in bundle.secrets(release, "addons").items():
        put(kubectl.KEYS / name, text, mode=0o600)


def apply(release: Mapping[str, Any], group: str) -> bool:
    """Apply one group of manifests if they changed or were not applied for a while; whether they were applied."""
    manifests = dict(release["addons"][group])
    if group == "bootstrap":
        manifests[TOKEN] = (kubectl.KEYS / TOKEN).read_text()
    content = hashlib.sha256(repr(sorted(manifests.items())).encode()).hexdigest()
    done = STATE / f"addons-{group}"
    if not manifests or _stands(done, content, LASTS.get(group, AGAIN_SECONDS)):
        return False
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + TOKEN_SECONDS))
    texts = (text.replace("@EXPIRATION@", expiration) for _, text in sorted(manifests.items()))
    kubectl.api().apply(object for text in texts for object in _objects(text))
    write(done, content)
    return True


def _objects(manifest: str) -> Iterator[tuple[str, str]]:
    """The objects of a manifest, each with its path in the API, which its first line has as a comment."""
    for text in manifest.split("\n---\n"):
        yield text.partition("\n")[0].removeprefix("# "), text


def _stands(done: Path, content: str, seconds: float) -> bool:
    """Whether `content` was applied less than `seconds` ago; unknown, so False, if the clock was set back."""
    if not done.exists() or done.read_text() != content:
        return False
    return 0 <= time.time() - done.stat().st_mtime < seconds
