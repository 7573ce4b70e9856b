"""The schemas of hashicorp/aws and hashicorp/google, kept in the cache; `python -m tests.offline.schemas` fills it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator import directories
from generator.errors import UserError
from tests.offline import PROVIDERS, jsii

Schemas = dict[str, Any]
"""{"provider": block, "resource" | "data" | "ephemeral": {type name: block}}; blocks as in `jsii`."""

_WHEELS = Path(__file__).with_name("wheels.txt")
_SOURCE = re.compile(r"package/lib/([\w-]+)/index(?:-structs/\w+)?\.js")


def load(provider: str) -> Schemas:
    """The provider's schemas, from the cache or, the first time, out of its wheel."""
    cached = _cache() / f"{provider}-{_version(provider)}.json.gz"
    if not cached.exists():
        with tempfile.TemporaryDirectory() as folder:
            schemas = extract(_download(provider, Path(folder)))
        cached.parent.mkdir(parents=True, exist_ok=True)
        part = cached.with_suffix(f".{os.getpid()}")  # others may be at it
        part.write_bytes(gzip.compress(json.dumps(schemas, separators=(",", ":")).encode(), mtime=0))
        part.replace(cached)
    schemas = json.loads(gzip.decompress(cached.read_bytes()))
    return {kind: schemas[kind] for kind in ("provider", "resource", "data", "ephemeral")}


def extract(wheel: Path) -> Schemas:
    """Read every schema out of a wheel."""
    schemas: Schemas = {"provider": {}, "resource": {}, "data": {}, "ephemeral": {}}
    for source in _sources(wheel):
        for kind, name, block in jsii.Module(source).schemas():
            if kind == "provider":
                schemas["provider"] = block
            elif jsii.expressible(block):
                schemas[kind][name] = block
    return schemas


def _sources(wheel: Path) -> Iterator[str]:
    """The JavaScript of each resource; the largest are in several files."""
    with zipfile.ZipFile(wheel) as archive:
        inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        package = archive.read(inner)
    parts = defaultdict(list)
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            found, content = _SOURCE.fullmatch(member.name), archive.extractfile(member)
            if found and content:
                code = content.read().decode()
                parts[found[1]].append(code.partition("//# sourceMappingURL=")[0])
    yield from ("\n".join(codes) for codes in parts.values())


def _cache() -> Path:
    return directories.cache() / "schemas"


def _requirement(provider: str) -> str:
    lines = _WHEELS.read_text().splitlines()
    return next(line for line in lines if line.startswith(f"cdktn-provider-{provider}=="))


def _version(provider: str) -> str:
    return _requirement(provider).split()[0].partition("==")[2]


def _download(provider: str, folder: Path) -> Path:
    """Fetch the wheel alone, checked against its hash; it runs nothing, so its dependencies are not needed."""
    (folder / "wheel.txt").write_text(_requirement(provider))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--dest", str(folder), "--requirement", str(folder / "wheel.txt")]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        *_, reason = ("pip failed", *str(error.stderr).strip().splitlines())
        raise UserError(f"{provider}'s schemas are not to be had: {reason}", "Is a package index reachable?") from None
    return next(folder.glob("*.whl"))


if __name__ == "__main__":
    for each in PROVIDERS:
        load(each)
