"""The Go toolchain that images are built with.

It is pinned to one version, since another one gives the same sources other digests, and a lock made on one
machine must hold on the next.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from generator import download
from generator.errors import UserError
from generator.progress import Progress

VERSION = "1.26.11"  # Kubernetes 1.36 and containerd 2.4 ask for 1.26
SHA256 = {  # of the toolchain's module zip, by the computer that builds
    "amd64": "e1edb778de0aa08c8e827f5a873b35a46afe680fb241482c531725b2355e470d",
    "arm64": "51902dab7e130b07083119a36ce09e0cc50fdd9d0d64184c24bd302072ad8b70",
}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
BASELINES = {"amd64": {"GOAMD64": "v1"}, "arm64": {"GOARM64": "v8.0"}}  # the oldest processors that programs run on
MODULE = "golang.org/toolchain"
PROXY = "https://proxy.golang.org"
PROGRAMS = ("bin/", "pkg/tool/")  # a module zip carries no modes
HINT = f"Install Go {VERSION}, or let GOPROXY name a Go module proxy that this machine reaches."


def go(cache: Path, progress: Progress) -> Path:
    """The pinned `go` command: from PATH, from the cache, or from the Go module proxy."""
    installed = shutil.which("go")
    if installed and _version(installed) == f"go{VERSION}":
        return Path(installed)
    folder = cache / "go" / f"go{VERSION}"
    if not (folder / "bin" / "go").exists():
        progress.note(f"downloading Go {VERSION}")
        _install(cache / "go", folder, progress)
    return folder / "bin" / "go"


def check() -> None:
    """UserError where GOPROXY names no proxy: sources come from there, whatever Go is installed."""
    if not proxies():
        raise UserError("GOPROXY names no Go module proxy, which images are built from.", HINT)


def environment(command: Path, arch: str) -> dict[str, str]:
    """What a build for `arch` sees: the user's proxy and caches, and nothing that could change its bytes."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GO") or key in {"GOPROXY", "GOMODCACHE", "GOCACHE", "GOPATH", "GONOPROXY", "GONOSUMDB"}
    }
    fixed = {"GOTOOLCHAIN": "local", "GOENV": "off", "GOWORK": "off", "CGO_ENABLED": "0"}
    fixed |= {"GOOS": "linux", "GOARCH": arch, "GOFLAGS": "-mod=readonly", **BASELINES[arch]}
    return kept | fixed | {"GOPROXY": _proxy(), "PATH": f"{command.parent}:{os.environ.get('PATH', os.defpath)}"}


def proxies() -> list[str]:
    """The Go module proxies that GOPROXY names, in order."""
    return [name for name in _proxy().replace("|", ",").split(",") if name and name not in ("direct", "off")]


def _proxy() -> str:
    return os.environ.get("GOPROXY") or f"{PROXY},direct"


def _version(command: str) -> str:
    asked = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, env=asked)
    return done.stdout.strip()


def version() -> str:
    """The toolchain of this computer as a version of its module."""
    return f"v0.0.1-go{VERSION}.linux-{host()}"


def host() -> str:
    """The architecture of this computer; UserError where there is no toolchain for it."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise UserError(f"There is no Go {VERSION} here, and none that is checked for {machine} computers.", HINT)
    return MACHINES[machine]


def _install(cache: Path, folder: Path, progress: Progress) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        packed = Path(temporary) / "toolchain.zip"
        download.file(_url(), packed, SHA256[host()], HINT, progress)
        _unpack(packed, Path(temporary) / "go")
        try:
            (Path(temporary) / "go").rename(folder)
        except OSError:
            if not (folder / "bin" / "go").exists():  # nobody else has just put it there
                raise


def _url() -> str:
    """Where the first proxy of GOPROXY that is one has the toolchain."""
    for proxy in proxies():
        return f"{proxy.rstrip('/')}/{MODULE}/@v/{version()}.zip"
    raise UserError(f"There is no Go {VERSION} here, and GOPROXY names no proxy to get it from.", HINT)


def _unpack(packed: Path, folder: Path) -> None:
    with zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            name = member.filename.removeprefix(f"{MODULE}@{version()}/")
            if not name or name.endswith("/"):
                continue
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, path.open("wb") as out:
                shutil.copyfileobj(source, out)
            path.chmod(0o755 if name.startswith(PROGRAMS) else 0o644)
