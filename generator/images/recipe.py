"""How each image is built from source: a Go module of this package, and where its programs go. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generator.errors import UserError
from generator.files import sha256
from generator.images import catalog, layer, rootfs, toolchain
from generator.images.archive import Config
from generator.images.catalog import Wanted
from generator.kubernetes_version import number, same_minor

MODULES = Path(__file__).resolve().parents[2] / "modules"
HYPERKUBE_MODULE = "hyperkube"
BIN = "usr/local/bin"
ROLES = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet", "kubectl")
CNI = "github.com/containernetworking/plugins"
CNI_PLUGINS = ("main/loopback", "main/bridge", "ipam/host-local", "meta/portmap", "meta/bandwidth", "meta/firewall")
CONTAINERD = "github.com/containerd/containerd/v2"
CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
DISTRIBUTION = "github.com/distribution/distribution/v3"
FLANNEL = "github.com/flannel-io/flannel"
VICTORIA_METRICS = "github.com/VictoriaMetrics/VictoriaMetrics"
PROMETHEUS_VERSION = "github.com/prometheus/common/version.Version"  # what several programs say that they are


@dataclass(frozen=True, slots=True)
class Recipe:
    """`programs` maps a path in the image to the Go package that is built for it.

    `module` is the folder of the Go module, `requirements` its go.mod, of several that share a go.sum. `stamps` are the
    variables that linking sets, `entries` what else is in the image; `debian` puts it all on the Debian root file
    system. `minutes` is about how long a single CPU builds it.
    """

    module: str
    programs: Mapping[str, str]
    config: Config
    stamps: Mapping[str, str] = field(default_factory=dict)
    entries: layer.Entries = field(default_factory=dict)
    debian: bool = False
    requirements: str = "go.mod"
    minutes: int = field(default=1, repr=False)  # an estimate is no part of what the image is made from

    @property
    def folder(self) -> Path:
        return MODULES / self.module

    def sources(self) -> Mapping[str, Path]:
        """What is compiled, by its name in the folder where that happens."""
        files = {str(p.relative_to(self.folder)): p for p in sorted(self.folder.rglob("*")) if p.is_file()}
        others = {name: path for name, path in files.items() if not name.endswith(".mod")}
        return {**others, "go.mod": self.folder / self.requirements}

    def key(self, arch: str) -> str:
        """A digest of everything the image of `arch` is made from: sources, toolchain, root file system.

        Not of go.sum: it refuses modules that differ from those of go.mod, and has those of other versions, too.
        """
        root = rootfs.key(arch) if self.debian else ""
        made = (self, toolchain.VERSION, root)
        digest = hashlib.sha256(repr(made if arch == "amd64" else (*made, arch)).encode())
        for name, path in sorted(self.sources().items()):
            if name != "go.sum":
                digest.update(f"{name}\0{sha256(path)}\n".encode())
        return digest.hexdigest()


def recipe(wanted: Wanted) -> Recipe:
    """The recipe of an image; UserError where this version has none, such as for another Kubernetes."""
    if wanted.name == "hyperkube":
        return _hyperkube(wanted.ref.rpartition(":")[2])
    if wanted.name not in RECIPES:
        raise UserError(f"There is no recipe for the image {wanted.ref}.", "Put its archive in ANYWHERE_IMAGES.")
    return RECIPES[wanted.name]


def kubernetes_versions() -> tuple[str, ...]:
    """The versions of Kubernetes that can be built from source, oldest first; `setup/kubernetes.py` adds one."""
    found = (path.stem for path in (MODULES / HYPERKUBE_MODULE).glob("v*.mod"))
    return tuple(sorted(found, key=number))


def _hyperkube(version: str) -> Recipe:
    if version not in (versions := kubernetes_versions()):
        near = [other for other in versions if same_minor(other, version)]
        raise UserError(
            f"Kubernetes {version} cannot be built from source here. There are checked sources of"
            f" {', '.join(near or versions)}.",
            f"Use version {(near or versions)[-1]}, a machine that reaches the Kubernetes release site (or a mirror of "
            f"it in ANYWHERE_RELEASES), or put an archive of anywhere.local/hyperkube:{version} in ANYWHERE_IMAGES.",
        )
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return Recipe(
        module=HYPERKUBE_MODULE,
        requirements=f"{version}.mod",
        programs={f"{BIN}/hyperkube": "."},
        config=HYPERKUBE,
        stamps={f"k8s.io/component-base/version.{name}": value for name, value in stamps.items()},
        entries={f"{BIN}/{role}": layer.Link("hyperkube") for role in ROLES},
        debian=True,
        minutes=7,
    )


HYPERKUBE = Config(cmd=("hyperkube",))
TMP: layer.Entries = {"tmp": layer.Folder(0o1777)}

RECIPES: Mapping[str, Recipe] = {
    "etcd": Recipe(
        module="images/etcd",
        programs={
            f"{BIN}/etcd": "go.etcd.io/etcd/server/v3",
            f"{BIN}/etcdctl": "go.etcd.io/etcd/etcdctl/v3",
            f"{BIN}/etcdutl": "go.etcd.io/etcd/etcdutl/v3",
        },
        config=Config(cmd=("etcd",)),
        entries=TMP,
    ),
    "coredns": Recipe(
        module="images/coredns",
        programs={"coredns": "github.com/coredns/coredns"},
        config=Config(entrypoint=("/coredns",)),
    ),
    "metrics-server": Recipe(
        module="images/metrics-server",
        programs={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
        config=Config(entrypoint=("/metrics-server",), user="65534:65534"),
        stamps={"k8s.io/client-go/pkg/version.gitVersion": catalog.METRICS_SERVER},
        minutes=2,
    ),
    "local-path-provisioner": Recipe(
        module="images/local-path-provisioner",
        programs={
            "local-path-provisioner": "github.com/rancher/local-path-provisioner",
            "volume": ".",  # what its pods on machines run, in place of a shell
        },
        config=Config(entrypoint=("/local-path-provisioner",), user="65534:65534"),
        stamps={"main.VERSION": catalog.LOCAL_PATH_PROVISIONER},
    ),
    "registry": Recipe(
        module="images/registry",
        programs={"registry": "."},
        config=Config(entrypoint=("/registry",), user="65534:65534"),
        stamps={f"{DISTRIBUTION}/version.version": catalog.REGISTRY},
        minutes=2,
    ),
    "victoria-metrics": Recipe(
        module="images/victoria-metrics",
        programs={
            "victoria-metrics": f"{VICTORIA_METRICS}/app/victoria-metrics",
            "vmalert": f"{VICTORIA_METRICS}/app/vmalert",
            "probe": ".",
        },
        config=Config(entrypoint=("/victoria-metrics",), user="65534:65534"),
        stamps={f"{VICTORIA_METRICS}/lib/buildinfo.Version": catalog.VICTORIA_METRICS},
        minutes=2,
    ),
    "alertmanager": Recipe(
        module="images/alertmanager",
        programs={"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"},
        config=Config(entrypoint=("/alertmanager",), user="65534:65534"),
        stamps={PROMETHEUS_VERSION: catalog.ALERTMANAGER},
        minutes=2,
    ),
    "kube-state-metrics": Recipe(
        module="images/kube-state-metrics",
        programs={"kube-state-metrics": "k8s.io/kube-state-metrics/v2"},
        config=Config(entrypoint=("/kube-state-metrics",), user="65534:65534"),
        stamps={PROMETHEUS_VERSION: catalog.KUBE_STATE_METRICS},
        minutes=3,
    ),
    "node-exporter": Recipe(
        module="images/node-exporter",
        programs={"node-exporter": "github.com/prometheus/node_exporter"},
        config=Config(entrypoint=("/node-exporter",), user="65534:65534"),
        stamps={PROMETHEUS_VERSION: catalog.NODE_EXPORTER},
    ),
    "pause": Recipe(
        module="images/pause",
        programs={"pause": "."},
        config=Config(entrypoint=("/pause",), user="65535:65535"),
    ),
    "cni": Recipe(
        module="images/cni",
        programs={f"opt/cni/bin/{name.rpartition('/')[2]}": f"{CNI}/plugins/{name}" for name in CNI_PLUGINS},
        config=Config(cmd=("/opt/cni/bin/loopback",)),
        stamps={f"{CNI}/pkg/utils/buildversion.BuildVersion": catalog.CNI},
    ),
    "containerd": Recipe(
        module="images/containerd",
        programs={f"bin/{name}": f"{CONTAINERD}/cmd/{name}" for name in CONTAINERD_PROGRAMS},
        config=Config(cmd=("/bin/containerd",)),
        stamps={f"{CONTAINERD}/version.Version": catalog.CONTAINERD},
        minutes=2,
    ),
    "flannel": Recipe(
        module="images/flannel",
        programs={f"{BIN}/flanneld": "."},
        config=Config(cmd=("flanneld",)),
        stamps={f"{FLANNEL}/pkg/version.Version": catalog.FLANNEL},
        debian=True,
    ),
}
