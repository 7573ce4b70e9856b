"""Images from a registry, through skopeo: by digest, into docker-archives."""

from __future__ import annotations

import tempfile
from pathlib import Path

from generator import command
from generator.errors import UserError
from generator.images import layer
from generator.images.archive import canonical
from generator.progress import Progress

HINT = (
    "Put docker-archives of these images (`docker save -o NAME.tar REF`) in the folder that ANYWHERE_IMAGES names, "
    "or set spec.network.driver to flannel, whose images are built here."
)
PLATFORM = ("--override-os", "linux", "--override-arch", "amd64")
SECONDS = "20s"  # how long a question to a registry may take


def digest(ref: str) -> str:
    """The digest (`sha256:...`) that a registry has for `ref`; UserError where it cannot be had."""
    asked = [_skopeo(), *PLATFORM, "--command-timeout", SECONDS, "inspect", "--format", "{{.Digest}}"]
    return command.run([*asked, f"docker://{canonical(ref)}"], f"Asking the registry for {ref}", HINT).strip()


def has(ref: str) -> bool:
    """Whether a registry that answers has `ref`."""
    try:
        return bool(digest(ref))
    except UserError:
        return False


def copy(ref: str, path: Path, progress: Progress) -> None:
    """Pull `ref` by the digest that its registry has for it, to a docker-archive at `path`."""
    source = f"{_repository(ref)}@{digest(ref)}"
    progress.note(f"pulling {source}")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-") as work:
        pulled = Path(work) / "image.tar"
        target = f"docker-archive:{pulled}:{canonical(ref)}"
        command.run([_skopeo(), *PLATFORM, "copy", f"docker://{source}", target], f"Pulling {ref}", HINT)
        layer.rewrite(pulled, path, keep=lambda _: True)


def _repository(ref: str) -> str:
    return canonical(ref).rpartition(":")[0]


def _skopeo() -> str:
    try:
        return command.find("skopeo")
    except UserError as error:
        raise UserError(error.message, f"{error.hint} Or: {HINT[0].lower()}{HINT[1:]}") from None
