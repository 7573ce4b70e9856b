"""Add-ons: the manifests of the release, applied from a master when they change, and again every few minutes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import addon_record, bundle, kubectl
from agent.api import Api
from agent.files import put, write
from agent.host import STATE

TOKEN = "bootstrap-token.yaml"
TOKEN_SECONDS = 24 * 3600  # how long the bootstrap token is valid once it is applied
# What a manifest has in the place of a master's secret file, as `@addons/ca.crt:base64@`.
FILE = re.compile(r"@([a-z-]+)/([a-z0-9.-]+):(text|base64|sha256)@")
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
    manifests = {name: _filled(text, release) for name, text in release["addons"][group].items()}
    if group == "bootstrap":
        manifests[TOKEN] = (kubectl.KEYS / TOKEN).read_text()
    content = hashlib.sha256(repr(sorted(manifests.items())).encode()).hexdigest()
    done = STATE / f"addons-{group}"
    if stands(done, content, LASTS.get(group, AGAIN_SECONDS)):
        return False
    _apply(kubectl.api(), (text for _, text in sorted(manifests.items())), paths(release))
    write(done, content)
    return True


def paths(release: Mapping[str, Any]) -> set[str]:
    """The paths in the API of all objects in the manifests of a release."""
    return {path for texts in release["addons"].values() for text in texts.values() for path, _ in _objects(text)}


def _apply(api: Api, manifests: Iterable[str], recorded: Container[str]) -> None:
    """Apply manifests, and record what was made of them even if the rest is refused.

    A token is not recorded: one that another replaced stays good until it expires.
    """
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + TOKEN_SECONDS))
    texts = (text.replace("@EXPIRATION@", expiration) for text in manifests)
    uids: dict[str, str] = {}
    try:
        api.apply((object for text in texts for object in _objects(text)), uids.__setitem__)
    finally:
        addon_record.add(api, {path: uid for path, uid in uids.items() if path in recorded})


def _filled(manifest: str, release: Mapping[str, Any]) -> str:
    """The manifest with the secret files that it names; they are in no release, and masters have them."""

    def fill(found: re.Match[str]) -> str:
        component, name, form = found.groups()
        text = bundle.secrets(release, component)[name]
        forms = {
            "text": json.dumps(text)[1:-1],  # so that its lines keep within the quotes of YAML
            "base64": base64.b64encode(text.encode()).decode(),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        return forms[form]

    return FILE.sub(fill, manifest)


def _objects(manifest: str) -> Iterator[tuple[str, str]]:
    """The objects of a manifest, each with its path in the API, which its first line has as a comment."""
    for text in manifest.split("\n---\n"):
        yield text.partition("\n")[0].removeprefix("# "), text


def holds(done: Path, content: str) -> bool:
    """Whether `content` was the last that this machine applied."""
    return done.exists() and done.read_text() == content


def stands(done: Path, content: str, seconds: float) -> bool:
    """Whether `content` was applied less than `seconds` ago; unknown, so False, if the clock was set back."""
    return holds(done, content) and 0 <= time.time() - done.stat().st_mtime < seconds
