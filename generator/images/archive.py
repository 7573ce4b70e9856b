"""Docker archives: image tars as `docker save` makes and `docker load` and `ctr images import` read them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.errors import UserError
from generator.files import replacing, sha256
from generator.images import layer

VARIANTS = {"arm64": {"variant": "v8"}}  # the only one of its architecture
CREATED = "1970-01-01T00:00:00Z"  # a date of its own would give each build another digest


@dataclass(frozen=True, slots=True)
class Config:
    """How containers of an image start, in the words of the image configuration."""

    cmd: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive says of the one image in it: `id` is `sha256:...`, `arch` as in `amd64`."""

    refs: tuple[str, ...]
    id: str
    arch: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """An archive in a folder: `sha256` in hex, `size` in bytes, `labels` those of its image."""

    path: Path
    id: str
    arch: str
    sha256: str
    size: int
    labels: Mapping[str, str]


def write(path: Path, ref: str, layers: Sequence[Path], config: Config, arch: str) -> Contents:
    """Write the image `ref` of `arch`, of tar `layers` (lowest first), to `path`, atomically and always the same."""
    digests = [sha256(each) for each in layers]
    document = _encoded(_configuration(config, arch, digests))
    name = hashlib.sha256(document).hexdigest()
    manifest = [{"Config": f"{name}.json", "RepoTags": [ref], "Layers": [f"{d}.tar" for d in digests]}]
    entries: dict[str, layer.File | layer.Link | layer.Folder] = {
        f"{d}.tar": layer.File(each, 0o644) for d, each in zip(digests, layers, strict=True)
    }
    entries[f"{name}.json"] = layer.File(document, 0o644)
    entries["manifest.json"] = layer.File(_encoded(manifest), 0o644)
    with replacing(path) as temporary:
        layer.write(temporary, entries)
    return Contents((ref,), f"sha256:{name}", arch, config.labels)


def _configuration(config: Config, arch: str, digests: Sequence[str]) -> dict[str, Any]:
    options = {
        "Cmd": list(config.cmd),
        "Entrypoint": list(config.entrypoint),
        "Env": list(config.env),
        "Labels": dict(config.labels),
        "User": config.user,
    }
    return {
        "architecture": arch,
        **VARIANTS.get(arch, {}),
        "os": "linux",
        "created": CREATED,
        "config": {key: value for key, value in options.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]},
        "history": [{"created": CREATED, "created_by": "anywhere"} for _ in digests],
    }


def _encoded(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def read(path: Path) -> Contents:
    """What is in the archive at `path`; UserError where it is no docker-archive of one image."""
    hint = "Delete it, or replace it by what `docker save IMAGE` writes (one image a file, not compressed)."
    try:
        with tarfile.open(path, "r:") as tar:
            manifest = json.loads(_member(tar, "manifest.json"))
            (entry,) = manifest
            document = _member(tar, entry["Config"])
            refs = tuple(entry["RepoTags"] or ())
        image = json.loads(document)
        arch, labels = image.get("architecture") or "amd64", image.get("config", {}).get("Labels") or {}
    except OSError as error:
        raise UserError(f"The image archive {path} cannot be read: {error.strerror}.", hint) from None
    except (tarfile.TarError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not an image archive: {error}.", hint) from None
    return Contents(refs, f"sha256:{hashlib.sha256(document).hexdigest()}", arch, labels)


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()
