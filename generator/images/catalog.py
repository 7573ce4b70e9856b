"""The images a cluster is made of, by Kubernetes version and network driver. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from generator import addon_catalog, image_reference, own_addon, release
from generator.definition import Definition, Registry
from generator.errors import UserError

ETCD = "v3.6.16"
COREDNS = "v1.14.7"
PAUSE = "3.10"
CNI = "v1.10.0"
METRICS_SERVER = "v0.9.0"
LOCAL_PATH_PROVISIONER = "v0.0.30"
REGISTRY = "v3.1.2"
VICTORIA_METRICS = "v1.148.9"  # of a line with long-term support, and the newest that Go 1.26 builds
ALERTMANAGER = "v0.31.1"  # the newest whose module has the files of its pages
NODE_EXPORTER = "v1.12.1"
KUBE_STATE_METRICS = "v2.13.0"
FLANNEL = "v0.28.4"
WEAVE = "2.9.0"
CONTAINERD = "v2.3.7"  # supported until April 2028, and what Kubernetes 1.36 and later want


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image a cluster needs.

    `source` says how it is had where no folder holds it: `build` from its recipe, `release` from the
    official binaries and else from its recipe, `registry` by pulling: from the cluster's own `registry` first.
    `digest` is that of its manifest in the registry that it comes from, "" where any will do. `user` is the object of
    an own add-on that asks for it.
    """

    name: str
    ref: str
    source: str
    arch: str = "amd64"
    registry: Registry | None = None
    digest: str = ""
    user: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return titled(self.ref, self.arch)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Those that load it on a node (docker, containerd)."""
        return release.runtimes(self.name)


def titled(thing: str, arch: str) -> str:
    """`thing` with its architecture, where that is not the usual one."""
    return thing if arch == "amd64" else f"{thing} ({arch})"


OF_ADDONS = (
    Wanted("coredns", f"anywhere.local/coredns:{COREDNS}", "build"),
    Wanted("metrics-server", f"anywhere.local/metrics-server:{METRICS_SERVER}", "build"),
    Wanted("local-path-provisioner", f"anywhere.local/local-path-provisioner:{LOCAL_PATH_PROVISIONER}", "build"),
    Wanted("registry", f"anywhere.local/registry:{REGISTRY}", "build"),
    Wanted("victoria-metrics", f"anywhere.local/victoria-metrics:{VICTORIA_METRICS}", "build"),
    Wanted("alertmanager", f"anywhere.local/alertmanager:{ALERTMANAGER}", "build"),
    Wanted("kube-state-metrics", f"anywhere.local/kube-state-metrics:{KUBE_STATE_METRICS}", "build"),
    Wanted("node-exporter", f"anywhere.local/node-exporter:{NODE_EXPORTER}", "build"),
)


def wanted(
    kubernetes: str,
    driver: str,
    arch: str = "amd64",
    registry: Registry | None = None,
    addons: Collection[str] | None = None,
) -> tuple[Wanted, ...]:
    """Every image of a cluster of that version (`v1.37.2`) on that driver (`weave` or `flannel`).

    `addons` are those of its definition; left out, those of one that says nothing of them.
    """
    listed = addon_catalog.defaults() if addons is None else addons
    of_chosen = {image for addon in addon_catalog.chosen(listed, driver) for image in addon.images}
    common = (
        Wanted("hyperkube", f"anywhere.local/hyperkube:{kubernetes}", "release"),
        Wanted("etcd", f"anywhere.local/etcd:{ETCD}", "build"),
        Wanted("cni", f"anywhere.local/cni:{CNI}", "build"),
        Wanted("containerd", f"anywhere.local/containerd:{CONTAINERD}", "build"),
        *(each for each in OF_ADDONS if each.name in of_chosen),
        Wanted("pause", f"anywhere.local/pause:{PAUSE}", "build"),
    )
    drivers = {
        "flannel": (Wanted("flannel", f"anywhere.local/flannel:{FLANNEL}", "build"),),
        "weave": (
            Wanted("weave", f"docker.io/rajchaudhuri/weave:{WEAVE}", "registry"),
            Wanted("weaveexec", f"docker.io/rajchaudhuri/weaveexec:{WEAVE}", "registry"),
            Wanted("weavedb", f"docker.io/rajchaudhuri/weavedb:{WEAVE}", "registry"),
            Wanted("weave-npc", f"docker.io/rajchaudhuri/weave-npc:{WEAVE}", "registry"),
        ),
    }
    if driver not in drivers:
        raise UserError(f"There is no network driver {driver!r}.", f"Use one of: {', '.join(sorted(drivers))}.")
    return tuple(replace(each, arch=arch, registry=registry) for each in common + drivers[driver])


def own(definition: Definition, arch: str) -> tuple[Wanted, ...]:
    """The images of the add-ons that a definition brings."""
    in_cluster = addon_catalog.registries(definition.addons, definition.network.services)
    return tuple(
        Wanted(name, name, "registry", arch, definition.registry, image_reference.digest(reference), user)
        for name, (reference, user) in own_addon.images(definition.own_addons, in_cluster).items()
    )
