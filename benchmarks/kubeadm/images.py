"""The container images that kubeadm wants, built as upstream builds them: a program for each component."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from generator import directories
from generator.definition import VERSION
from generator.images import archive, build, cache, catalog
from generator.images.archive import Config
from generator.images.catalog import Wanted
from generator.images.recipe import BIN, Recipe, recipe
from generator.lock import Image
from generator.progress import Progress

SOURCE = Path(__file__).parent / "source"
ARCH = "amd64"
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
SAME = ("etcd", "coredns", "pause", "containerd")  # those of anywhere


def programs(*names: str, debian: bool = False) -> Recipe:
    """The recipe of Kubernetes programs, by their names in its source."""
    stamps: Mapping[str, str] = recipe(Wanted("hyperkube", f"anywhere.local/hyperkube:{VERSION}", "")).stamps
    packages = {f"{BIN}/{name}": f"k8s.io/kubernetes/cmd/{name}" for name in names}
    return Recipe(str(SOURCE), packages, Config(cmd=names[:1]), stamps, debian=debian)


def folder() -> Path:
    """Where their archives are kept, as `<archive>.tar`."""
    path = directories.cache() / "benchmarks"
    path.mkdir(parents=True, exist_ok=True)
    return path


def ensure(progress: Progress) -> tuple[Image, ...]:
    """Have the archive of each image in the folder."""
    wanted = [each for each in catalog.wanted(VERSION, "flannel") if each.name in SAME]
    same = cache.resolve(wanted, directories.archives(), directories.cache(), progress)
    for image in same.values():
        path = folder() / f"{image.archive}.tar"
        if not path.exists():
            path.hardlink_to(directories.cache() / "images" / path.name)
    return (*same.values(), *(_built(name, progress) for name in COMPONENTS))


def _built(name: str, progress: Progress) -> Image:
    """The image of a component; its archive is named by what it is made from."""
    made = programs(name, debian=name == "kube-proxy")  # which calls iptables
    wanted, key = Wanted(name, f"anywhere.local/{name}:{VERSION}", "build"), made.key(ARCH)
    path = folder() / f"{key}.tar"
    if not path.exists():
        with progress.phase(f"image {name}, as kubeadm runs it"):
            build.build(wanted, made, path, directories.cache(), progress)
    return Image(name, wanted.ref, archive.read(path).id, key, path.stat().st_size, "build")
