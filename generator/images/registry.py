"""Images from a registry, through skopeo: by digest, into docker-archives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator import command, registry_login
from generator.definition import Registry
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic
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


@dataclass(frozen=True, slots=True)
class Place:
    """A reference of an image, and the registry that it is pulled from where that is the cluster's own."""

    ref: str
    registry: Registry | None = None


def check() -> None:
    """UserError where this computer lacks the program that asks registries."""
    _skopeo("amd64")


def digest(wanted: Wanted) -> str:
    """The digest (`sha256:...`) that a registry has for an image; UserError where it cannot be had."""
    return _find(wanted)[1]


def has(wanted: Wanted) -> bool:
    """Whether a registry that answers has an image."""
    try:
        return bool(digest(wanted))
    except UserError:
        return False


def copy(wanted: Wanted, path: Path, progress: Progress) -> None:
    """Pull an image by the digest that its registry has for it, to a docker-archive at `path`."""
    place, found = _find(wanted)
    source = f"{place.ref.rpartition(':')[0]}@{found}"
    progress.note(titled(f"pulling {source}", wanted.arch))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-") as work, _access(place, "--src-cert-dir") as how:
        pulled = Path(work) / "image.tar"
        target = f"docker-archive:{pulled}:{canonical(wanted.ref)}"
        command.run(
            [*_skopeo(wanted.arch), "copy", *how, f"docker://{source}", target], f"Pulling {wanted.title}", HINT
        )
        layer.rewrite(pulled, path, keep=lambda _: True)


def _find(wanted: Wanted) -> tuple[Place, str]:
    """Where an image is and its digest there: in the cluster's registry, else where it comes from."""
    own = Place(canonical(wanted.ref))
    if wanted.registry is None:
        return own, _ask(wanted, own)
    mirror = Place(wanted.registry.mirrored(own.ref), wanted.registry)
    try:
        return mirror, _ask(wanted, mirror)
    except UserError as error:
        try:
            return own, _ask(wanted, own)
        except UserError:
            raise error from None


def _ask(wanted: Wanted, place: Place) -> str:
    with _access(place, "--cert-dir") as how:
        asked = [*_skopeo(wanted.arch), "--command-timeout", SECONDS, "inspect", *how, "--format", FORMAT]
        title = f"Asking the registry for {titled(place.ref, wanted.arch)}"
        answer, arch = command.run([*asked, f"docker://{place.ref}"], title, HINT).split()
    if arch != wanted.arch:  # an image of one architecture is given to all
        raise UserError(f"The registry has {place.ref} for {arch} only, not for {wanted.arch}.", HINT)
    return answer


@contextmanager
def _access(place: Place, certificates: str) -> Iterator[list[str]]:
    """skopeo's options for a registry with a login or an authority of its own, `certificates` the one for the latter.

    They name files, as every user of this computer sees the words of a command.
    """
    with tempfile.TemporaryDirectory(prefix="anywhere-registry-") as folder:
        options = []
        if place.registry and place.registry.ca:
            write_atomic(Path(folder, "ca.crt"), place.registry.ca.encode())
            options += [certificates, folder]
        if place.registry and (login := registry_login.to(place.registry)):
            write_atomic(Path(folder, "auth.json"), login.docker_config().encode(), PRIVATE)
            options += ["--authfile", str(Path(folder, "auth.json"))]
        yield options


def _skopeo(arch: str) -> list[str]:
    """skopeo, asking for images of `arch` where a reference has several."""
    try:
        return [command.find("skopeo"), "--override-os", "linux", "--override-arch", arch]
    except UserError as error:
        raise UserError(error.message, f"{error.hint} Or: {HINT[0].lower()}{HINT[1:]}") from None
