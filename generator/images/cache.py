"""The image cache: every image of a cluster as `<cache>/images/<sha256>.tar`, from wherever it can be had.

A folder of archives (`ANYWHERE_IMAGES`) comes first, then what an earlier run left in the cache, then the
release site or the registry, then building. The folder may be the cache's own: archives there under other
names than their SHA-256 were put there by the user.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from generator import addon_catalog, download
from generator.definition import Registry
from generator.errors import UserError
from generator.files import copy_atomic, sha256
from generator.image_reference import canonical
from generator.images import archive, archive_index, build, catalog, upstream
from generator.images import registry as registries
from generator.images.archive import ArchiveFile
from generator.images.catalog import Wanted, titled
from generator.images.recipe import kubernetes_versions, recipe
from generator.lock import Image, Lock
from generator.own_addon import is_own_image
from generator.progress import Progress


def resolve(wanted: Sequence[Wanted], folder: Path, cache: Path, progress: Progress) -> dict[str, Image]:
    """Have every wanted image in the cache and say which it is, by name."""
    _images(cache).mkdir(parents=True, exist_ok=True)
    return {each.name: _resolve(each, folder, cache, progress) for each in wanted}


def present(
    lock: Lock, folder: Path, cache: Path, progress: Progress, registry: Registry | None = None
) -> dict[tuple[str, str], Path]:
    """Have exactly the archives of `lock` in the cache; their paths by architecture and name.

    UserError where one can no longer be had with the digest that the lock gives.
    """
    _images(cache).mkdir(parents=True, exist_ok=True)
    paths = {}
    for arch, images in lock.images.items():
        every = catalog.wanted(lock.kubernetes, lock.driver, arch, registry, addon_catalog.choices())
        known = {each.name: each for each in every}
        for name, image in images.items():
            wanted = known.get(name)
            if is_own_image(name):
                wanted = Wanted(name, image.ref, "registry", arch, registry, image.digest)
            elif wanted is None or canonical(wanted.ref) != canonical(image.ref):
                wanted = Wanted(name, image.ref, UNKNOWN, arch)
            paths[arch, name] = _present(image, wanted, folder, cache, progress)
    return paths


def held(wanted: Wanted, folder: Path, cache: Path) -> Image | None:
    """The image where its archive is on this computer, in the user's folder or in the cache. Writes nothing."""
    if file := _from_user(wanted, folder, cache):
        return _image(wanted, file, "folder")
    if file := _kept(wanted, cache):
        return _image(wanted, file, file.labels.get(build.SOURCE, "registry"))
    return None


def is_built(wanted: Wanted) -> bool:
    """Whether an image that is not held would be built from source: neither a registry nor a release site has it."""
    if wanted.source == "release":
        return not upstream.has(wanted)
    return wanted.source == "build"


def available(wanted: Wanted, folder: Path, cache: Path) -> bool:
    """Whether `wanted` can be had: quick, it gets and builds nothing. A build that is possible is taken to succeed."""
    if _from_user(wanted, folder, cache) or _kept(wanted, cache):
        return True
    if wanted.source == "registry":
        return registries.has(wanted)
    try:
        check(wanted)
    except UserError:
        return False
    return True


def check(wanted: Wanted) -> None:
    """UserError where this computer lacks what getting or building `wanted` takes. Quick, and makes nothing."""
    if wanted.source == "registry":
        registries.check(wanted)
        return
    try:
        build.check(recipe(wanted))
    except UserError:  # or there is no recipe: not every Kubernetes version has one
        if wanted.source != "release" or not upstream.has(wanted):
            raise


def _images(cache: Path) -> Path:
    return cache / "images"


def _holdings(folder: Path, cache: Path) -> Mapping[str, tuple[ArchiveFile, ...]]:
    return archive_index.holdings(folder, memory=_images(cache))


def _held(wanted: Wanted, folder: Path, cache: Path) -> list[ArchiveFile]:
    """The archives of it in `folder`, newest last: of its reference and its architecture."""
    return [file for file in _holdings(folder, cache).get(canonical(wanted.ref), ()) if file.arch == wanted.arch]


def _resolve(wanted: Wanted, folder: Path, cache: Path, progress: Progress) -> Image:
    if file := _from_user(wanted, folder, cache):
        return _image(wanted, _keep(file, cache), "folder")
    if is_own_image(wanted.name):
        return _pulled(wanted, cache, progress)
    if file := _kept(wanted, cache):
        return _image(wanted, file, file.labels.get(build.SOURCE, "registry"))
    with progress.phase(titled(f"image {wanted.name}", wanted.arch)):
        for source in _sources(wanted):
            try:
                return _image(wanted, _make(wanted, source, cache, progress), source)
            except download.Unreachable as error:
                if source != "release":
                    raise
                progress.note(f"{error.message} Building from source instead.")
    raise AssertionError("the last source of an image never falls through")


def _pulled(wanted: Wanted, cache: Path, progress: Progress) -> Image:
    """An image of an own add-on, whose tag may have moved on since it was pulled last."""
    kept = [file for file in _held(wanted, _images(cache), cache) if _is_ours(file)]
    try:
        digest, id = registries.identify(wanted)
        same = [file for file in kept if file.id == id]
        file = same[-1] if same else _make(replace(wanted, digest=digest), "registry", cache, progress)
    except UserError as error:
        if not kept:
            message = f"The image {wanted.title} cannot be had, which {wanted.user} asks for: {error.message}"
            raise UserError(message, error.hint) from None
        progress.note(f"warning: {error.message} The copy of {wanted.title} in the cache is taken.")
        return _image(wanted, kept[-1], "registry", wanted.digest)
    return _image(wanted, file, "registry", digest)


def _image(wanted: Wanted, file: ArchiveFile, source: str, digest: str = "") -> Image:
    return Image(wanted.name, wanted.ref, file.id, file.sha256, file.size, source, digest)


def _sources(wanted: Wanted) -> tuple[str, ...]:
    return ("release", "build") if wanted.source == "release" else (wanted.source,)


def _from_user(wanted: Wanted, folder: Path, cache: Path) -> ArchiveFile | None:
    """The newest archive of it that the user put in `folder`."""
    own = folder.absolute() == _images(cache).absolute()
    theirs = [file for file in _held(wanted, folder, cache) if not (own and _is_ours(file))]
    return theirs[-1] if theirs else None


def _kept(wanted: Wanted, cache: Path) -> ArchiveFile | None:
    """What an earlier run left in the cache, where making it again would give the same."""
    keys = list(_keys(wanted))
    files = [file for file in _held(wanted, _images(cache), cache) if _is_ours(file)]
    for key in keys:
        for file in files:
            if file.labels.get(build.KEY) == key:
                return file
    return files[-1] if files and not keys else None


def _keys(wanted: Wanted) -> Iterator[str]:
    """The recipe keys that an up-to-date archive may carry, best first; none for images of a registry."""
    if wanted.source == "registry":
        return
    if wanted.source == "release":
        version = wanted.ref.rpartition(":")[2]
        yield upstream.key(version, wanted.arch)
        if version not in kubernetes_versions():
            return
    yield recipe(wanted).key(wanted.arch)


def _is_ours(file: ArchiveFile) -> bool:
    return file.path.stem == file.sha256


def _make(wanted: Wanted, source: str, cache: Path, progress: Progress) -> ArchiveFile:
    """Get or build an image into the cache."""
    with tempfile.TemporaryDirectory(dir=_images(cache), prefix=".new-") as work:
        path = Path(work) / "image.tar"
        if source == "release":
            upstream.make(wanted, path, cache, progress)
        elif source == "registry":
            registries.copy(wanted, path, progress)
        else:
            build.build(wanted, recipe(wanted), path, cache, progress)
        contents = archive.read(path)
        made = ArchiveFile(path, contents.id, contents.arch, sha256(path), path.stat().st_size, contents.labels)
        return _keep(made, cache)


def _keep(file: ArchiveFile, cache: Path) -> ArchiveFile:
    """`file` under its content's name in the cache: a hard link where that can be."""
    path = _images(cache) / f"{file.sha256}.tar"
    if not path.exists():
        copy_atomic(file.path, path)
    return replace(file, path=path)


def _present(image: Image, wanted: Wanted, folder: Path, cache: Path, progress: Progress) -> Path:
    path = _images(cache) / f"{image.archive}.tar"
    ref = canonical(image.ref)
    held = [*_holdings(_images(cache), cache).get(ref, ()), *_holdings(folder, cache).get(ref, ())]
    same = [file for file in held if file.sha256 == image.archive]
    if any(file.path == path for file in same):
        return path
    path.unlink(missing_ok=True)  # if it is there, it is not what its name says
    if same:
        return _keep(same[0], cache).path
    if wanted.source == UNKNOWN:
        raise UserError(f"The lock wants the image {wanted.title}, which this version does not know.", RELOCK)
    if image.source == "folder":
        others = ", ".join(f"{file.path} is {file.sha256}" for file in held if file.arch == wanted.arch)
        raise UserError(_differs(image, wanted, others or f"{folder} has no archive of it"), f"{BRING} {RELOCK}")
    with progress.phase(titled(f"image {image.name}", wanted.arch)):
        made = _make(wanted, image.source, cache, progress)
    if made.sha256 != image.archive:
        raise UserError(_differs(image, wanted, f"got {made.sha256}"), RELOCK)
    return made.path


UNKNOWN = ""  # the source of an image that only the lock knows
BRING = "Put the archive that the lock was made with in the folder that ANYWHERE_IMAGES names."
RELOCK = "Run `anywhere images lock` to choose the images again."


def _differs(image: Image, wanted: Wanted, got: str) -> str:
    return f"Image {wanted.title}: the lock says archive {image.archive} (from a {image.source}), but {got}."
