"""Images from a registry, through skopeo: by digest, into docker-archives."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator import command, registry_login
from generator.definition import Registry
from generator.errors import UserError
from generator.files import PRIVATE, write_atomic
from generator.image_reference import canonical, repository
from generator.images import layer
from generator.images.catalog import Wanted, titled
from generator.own_addon import is_own_image
from generator.progress import Progress

BRING = "Put docker-archives of these images (`docker save -o NAME.tar REF`) in the folder that ANYWHERE_IMAGES names"
FLANNEL = f"{BRING}, or set spec.network.driver to flannel, whose images are built here."
CORRECT = f"Correct the reference, or log in to its registry (`skopeo login HOST`). Or: {BRING[0].lower()}{BRING[1:]}."
FORMAT = "{{.Digest}} {{.Architecture}}"
SECONDS = "20s"  # how long a question to a registry may take


@dataclass(frozen=True, slots=True)
class Place:
    """A reference of an image, and the registry that it is pulled from where that is the cluster's own."""

    ref: str
    registry: Registry | None = None


def check(wanted: Wanted) -> None:
    """UserError where this computer lacks the program that asks registries for an image."""
    _skopeo(wanted)


def digest(wanted: Wanted) -> str:
    """The digest (`sha256:...`) that a registry has for an image; UserError where it cannot be had."""
    return _find(wanted)[1]


def identify(wanted: Wanted) -> tuple[str, str]:
    """That digest, and the id of the image; UserError where they cannot be had."""
    place, found = _find(wanted)
    with _access(place, "--cert-dir") as how:
        asked = [*_skopeo(wanted), "--command-timeout", SECONDS, "inspect", *how, "--config", "--raw"]
        title = f"Asking the registry for {titled(place.ref, wanted.arch)}"
        text = command.run([*asked, f"docker://{repository(place.ref)}@{found}"], title, _remedy(wanted))
    return found, f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def has(wanted: Wanted) -> bool:
    """Whether a registry that answers has an image."""
    try:
        return bool(digest(wanted))
    except UserError:
        return False


def copy(wanted: Wanted, path: Path, progress: Progress) -> None:
    """Pull an image by the digest that its registry has for it, to a docker-archive at `path`."""
    place, found = _find(wanted)
    source = f"{repository(place.ref)}@{found}"
    progress.note(titled(f"pulling {source}", wanted.arch))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-") as work, _access(place, "--src-cert-dir") as how:
        pulled = Path(work) / "image.tar"
        target = f"docker-archive:{pulled}:{canonical(wanted.ref)}"
        copying = [*_skopeo(wanted), "copy", *how, f"docker://{source}", target]
        command.run(copying, f"Pulling {wanted.title}", _remedy(wanted))
        layer.rewrite(pulled, path, keep=lambda _: True)


def _find(wanted: Wanted) -> tuple[Place, str]:
    """Where an image is and its digest there: in the cluster's registry, else where it comes from."""
    refused: UserError | None = None
    for place in _places(wanted):
        try:
            return place, _ask(wanted, place)
        except UserError as error:
            refused = refused or error
    assert refused
    raise refused from None


def _places(wanted: Wanted) -> Iterator[Place]:
    """Where an image may be: by its digest, if that is known, as a tag may have moved on."""
    ref, registry = canonical(wanted.ref), wanted.registry
    if wanted.digest:
        pinned = f"{repository(ref)}@{wanted.digest}"
        yield from (Place(registry.mirrored(pinned), registry),) if registry else ()
        yield Place(pinned)
    if registry:
        yield Place(registry.mirrored(ref), registry)
    if not wanted.digest:
        yield Place(ref)


def _ask(wanted: Wanted, place: Place) -> str:
    with _access(place, "--cert-dir") as how:
        asked = [*_skopeo(wanted), "--command-timeout", SECONDS, "inspect", *how, "--format", FORMAT]
        title = f"Asking the registry for {titled(place.ref, wanted.arch)}"
        answer, arch = command.run([*asked, f"docker://{place.ref}"], title, _remedy(wanted)).split()
    if arch != wanted.arch:  # an image of one architecture is given to all
        raise UserError(f"The registry has {place.ref} for {arch} only, not for {wanted.arch}.", _remedy(wanted))
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


def _remedy(wanted: Wanted) -> str:
    """What to do where an image cannot be had: Weave's are those of a driver which is not the only one."""
    return CORRECT if is_own_image(wanted.name) else FLANNEL


def _skopeo(wanted: Wanted) -> list[str]:
    """skopeo, asking for the image of its architecture where a reference has several."""
    try:
        return [command.find("skopeo"), "--override-os", "linux", "--override-arch", wanted.arch]
    except UserError as error:
        remedy = _remedy(wanted)
        raise UserError(error.message, f"{error.hint} Or: {remedy[0].lower()}{remedy[1:]}") from None
