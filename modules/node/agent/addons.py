"""Add-ons: the manifests of the release, applied from a master when they change, and again every few minutes."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import addon_record, bundle, kubectl
from agent.files import put, write
from agent.host import STATE

TOKEN = "bootstrap-token.yaml"
TOKEN_SECONDS = 24 * 3600  # how long the bootstrap token is valid once it is applied
LAST = "cluster"  # the group that is applied once all others are
# What a manifest has in the place of the authority of kubelets, and of its digest.
KUBELET_CA, KUBELET_CA_DIGEST = "@KUBELET_SERVING_CA@", "@KUBELET_SERVING_CA_SHA256@"
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
    manifests = {name: _trusting(text, release) for name, text in release["addons"][group].items()}
    recorded = [path for name in sorted(manifests) for path, _ in _objects(manifests[name])]
    if group == "bootstrap":  # without a record: old tokens stay good until they expire
        manifests[TOKEN] = (kubectl.KEYS / TOKEN).read_text()
    wanted = {path for texts in release["addons"].values() for text in texts.values() for path, _ in _objects(text)}
    content = hashlib.sha256(repr((sorted(manifests.items()), sorted(wanted))).encode()).hexdigest()
    done = STATE / f"addons-{group}"
    if _stands(done, content, LASTS.get(group, AGAIN_SECONDS)):
        return False
    api = kubectl.api()
    addon_record.add(api, recorded)
    expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + TOKEN_SECONDS))
    texts = (text.replace("@EXPIRATION@", expiration) for _, text in sorted(manifests.items()))
    api.apply(object for text in texts for object in _objects(text))
    # Not where a release is applied again: a master that cannot fetch the newest one would delete what that has.
    if group == LAST and not _holds(done, content):
        addon_record.prune(api, wanted)
    write(done, content)
    return True


def _trusting(manifest: str, release: Mapping[str, Any]) -> str:
    """The manifest with the authority of kubelets where it asks for that; every master has it for its API server."""
    if KUBELET_CA not in manifest:
        return manifest
    authority = bundle.secrets(release, "kube-apiserver")["kubelet-serving-ca.crt"]
    digest = hashlib.sha256(authority.encode()).hexdigest()
    escaped = json.dumps(authority)[1:-1]  # so that its lines keep within the quotes of YAML
    return manifest.replace(KUBELET_CA, escaped).replace(KUBELET_CA_DIGEST, digest)


def _objects(manifest: str) -> Iterator[tuple[str, str]]:
    """The objects of a manifest, each with its path in the API, which its first line has as a comment."""
    for text in manifest.split("\n---\n"):
        yield text.partition("\n")[0].removeprefix("# "), text


def _holds(done: Path, content: str) -> bool:
    """Whether `content` was the last that this machine applied."""
    return done.exists() and done.read_text() == content


def _stands(done: Path, content: str, seconds: float) -> bool:
    """Whether `content` was applied less than `seconds` ago; unknown, so False, if the clock was set back."""
    return _holds(done, content) and 0 <= time.time() - done.stat().st_mtime < seconds
