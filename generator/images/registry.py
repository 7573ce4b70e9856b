"""Images from a registry, through skopeo: by digest, into docker-archives."""

from __future__ import annotations

import tempfile
from pathlib import Path

from generator import command
from generator.errors import UserError
from generator.images import layer
from generator.images.archive import canonical
from generator.images.catalog import Wanted, titled
from generator.progress import Progress

HINT = (
    "Put docker-archives of these images (`docker save -o NAME.tar REF`) in the folder that ANYWHERE_IMAGES names, "
    "or set spec.network.driver to flannel, whose images are built here."
)
FORMAT = "{{.Digest}} {{.Architecture}}"
SECONDS = "20s"  # how long a question to a registry may take


def digest(wanted: Wanted) -> str:
    """The digest (`sha256:...`) that a registry has for an image; UserError where it cannot be had."""
    asked = [*_skopeo(wanted.arch), "--command-timeout", SECONDS, "inspect", "--format", FORMAT]
    title = f"Asking the registry for {wanted.title}"
    answer, arch = command.run([*asked, f"docker://{canonical(wanted.ref)}"], title, HINT).split()
    if arch != wanted.arch:  # an image of one architecture is given to all
        raise UserError(f"The registry has {wanted.ref} for {arch} only, not for {wanted.arch}.", HINT)
    return answer


def has(wanted: Wanted) -> bool:
    """Whether a registry that answers has an image."""
    try:
        return bool(digest(wanted))
    except UserError:
        return False


def copy(wanted: Wanted, path: Path, progress: Progress) -> None:
    """Pull an image by the digest that its registry has for it, to a docker-archive at `path`."""
    source = f"{_repository(wanted.ref)}@{digest(wanted)}"
    progress.note(titled(f"pulling {source}", wanted.arch))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-") as work:
        pulled = Path(work) / "image.tar"
        target = f"docker-archive:{pulled}:{canonical(wanted.ref)}"
        command.run([*_skopeo(wanted.arch), "copy", f"docker://{source}", target], f"Pulling {wanted.title}", HINT)
        layer.rewrite(pulled, path, keep=lambda _: True)


def _repository(ref: str) -> str:
    return canonical(ref).rpartition(":")[0]


def _skopeo(arch: str) -> list[str]:
    """skopeo, asking for images of `arch` where a reference has several."""
    try:
        return [command.find("skopeo"), "--override-os", "linux", "--override-arch", arch]
    except UserError as error:
        raise UserError(error.message, f"{error.hint} Or: {HINT[0].lower()}{HINT[1:]}") from None
