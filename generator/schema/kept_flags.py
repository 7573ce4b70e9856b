"""Flags and kubelet settings that a definition may not give, since they would break a cluster; and why, of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

ETCD, APISERVER = "etcd", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"
KUBELET, PROXY = "kubelet", "kube-proxy"


@dataclass(frozen=True, slots=True)
class Kept:
    """Names, each of which may have a `*` in it, and what they decide. `instead` is what to do, "" for nothing."""

    names: tuple[str, ...]
    reason: str
    instead: str = ""


def _kept(names: str, reason: str, instead: str = "") -> Kept:
    return Kept(tuple(names.split()), reason, instead)


_TRUST = "decides whom the cluster trusts"
_STORAGE = "decides where and how the cluster's data is kept"
_NETWORK = "has to fit the cluster's networks"
_PORTS = "decides where health checks and other components find it"
_IDENTITY = "decides as whom it speaks to others"
_LEADER = "decides who leads where there are several masters"
_VERSION = "has to fit the version of Kubernetes"
_FILES = "names a file or folder, and the container has none of yours"
_ENDS = "has the component end instead of run"

# Of all components; what is said of a single one comes first.
_EVERYWHERE = (
    _kept("kubeconfig *-kubeconfig master", _IDENTITY),
    _kept("bind-address secure-port port address permit-address-sharing permit-port-sharing", _PORTS),
    _kept("*-file *-files *-filepath-* *-dir *-path *-cert *-key config *-manifest", _FILES),
    _kept(
        "emulated-version min-compatibility-version *emulation-forward-compatible",
        _VERSION,
        "write spec.kubernetes.version",
    ),
    _kept("help version h cleanup init-only runonce write-config-to", _ENDS),
)
_LEADERS = _kept("leader-elect leader-elect-resource-*", _LEADER)
_CLIENTS = _kept("client-ca-file requestheader-* authentication-skip-lookup authorization-always-allow-paths", _TRUST)

FLAGS: Mapping[str, tuple[Kept, ...]] = {
    ETCD: (
        _kept("name initial-* discovery* force-new-cluster advertise-client-urls", "decides which members it has"),
        _kept("listen-*", _PORTS),
        _kept("data-dir wal-dir unsafe-no-fsync v2-deprecation", _STORAGE),
        _kept("*-file client-* peer-* trusted-ca-file auto-tls auth-token* cors host-whitelist", _TRUST),
        _kept(
            "log-outputs logger enable-log-rotation log-rotation-*", "decides where its log is, which `status` reads"
        ),
        _kept("config-file proxy-* gateway*", _FILES),
    ),
    APISERVER: (
        _kept("oidc-* authentication-config", _TRUST, "write spec.access.authentication"),
        _kept("anonymous-auth", "decides whether health checks are answered"),
        _kept(
            "authorization-* *-webhook-* client-ca-file requestheader-* token-auth-file enable-bootstrap-token-auth"
            " service-account-issuer service-account-jwks-uri service-account-key-file service-account-lookup"
            " service-account-signing-* api-audiences proxy-client-* kubelet-certificate-authority kubelet-client-*"
            " peer-* encryption-provider-config* allow-privileged tls-sni-cert-key",
            _TRUST,
        ),
        _kept(
            "disable-admission-plugins admission-control admission-control-config-file",
            "decides what nodes and pods may do",
            "enable-admission-plugins adds others",
        ),
        _kept("audit-policy-file audit-log-path audit-webhook-*", "decides what is recorded, and where"),
        _kept("etcd-servers* etcd-prefix etcd-cafile etcd-certfile etcd-keyfile storage-*", _STORAGE),
        _kept(
            "service-cluster-ip-range kubernetes-service-node-port advertise-address"
            " external-hostname kubelet-preferred-address-types kubelet-port kubelet-read-only-port"
            " endpoint-reconciler-type apiserver-count egress-selector-config-file disable-http2-serving",
            _NETWORK,
        ),
        _kept("cloud-provider cloud-config", _IDENTITY),
    ),
    CONTROLLER_MANAGER: (
        _CLIENTS,
        _LEADERS,
        _kept("use-service-account-credentials controllers", "decides whether machines can join and pods can run"),
        _kept("cluster-signing-*-file root-ca-file service-account-private-key-file", _TRUST),
        _kept(
            "cluster-cidr allocate-node-cidrs service-cluster-ip-range node-cidr-mask-size* cidr-allocator-type"
            " configure-cloud-routes cluster-name",
            _NETWORK,
        ),
        _kept("cloud-provider cloud-config external-cloud-volume-plugin allow-untagged-cloud", _IDENTITY),
    ),
    SCHEDULER: (_CLIENTS, _LEADERS),
    KUBELET: (
        _kept("max-pods", "is a field of its own", "write max_pods of the pool or of masters"),
        _kept("node-labels register-with-taints", "is a field of its own", "write labels or taints of the pool"),
        _kept(
            "hostname-override bootstrap-kubeconfig register-node provider-id cloud-provider rotate-* boot-id-file"
            " image-credential-provider-*",
            _IDENTITY,
        ),
        _kept("anonymous-auth authentication-* authorization-* client-ca-file", _TRUST),
        _kept("healthz-* read-only-port enable-server", _PORTS),
        _kept("node-ip pod-cidr cluster-dns cluster-domain resolv-conf make-iptables-util-chains", _NETWORK),
        _kept(
            "cgroup-* cgroups-per-qos *-cgroup *-cgroups fail-* container-runtime-endpoint image-service-endpoint"
            " oom-score-adj",
            "has to fit the machine's own set-up",
        ),
        _kept(
            "kube-reserved",
            "is what the components of the machine need",
            "write config: {systemReserved: {memory: 200Mi}}",
        ),
        _kept("root-dir cert-dir volume-plugin-dir lock-file manifest-url* exit-on-lock-contention", _FILES),
    ),
    PROXY: (
        _kept("hostname-override", _IDENTITY),
        _kept("bind-address-hard-fail healthz-* metrics-*", _PORTS),
        _kept("cluster-cidr proxy-mode detect-local-mode pod-bridge-interface pod-interface-name-prefix", _NETWORK),
        _kept("oom-score-adj", "has to fit the machine's own set-up"),
    ),
}

# Fields of KubeletConfiguration.
KUBELET_CONFIG = (
    _kept("apiVersion kind", _VERSION),
    _kept("maxPods", "is a field of its own", "write max_pods of the pool or of masters"),
    _kept("registerWithTaints", "is a field of its own", "write taints of the pool"),
    _kept("authentication authorization", _TRUST),
    _kept("registerNode providerID rotateCertificates serverTLSBootstrap tlsCertFile tlsPrivateKeyFile", _IDENTITY),
    _kept("address port readOnlyPort healthz* enableServer", _PORTS),
    _kept("clusterDNS clusterDomain resolvConf podCIDR makeIPTablesUtilChains", _NETWORK),
    _kept(
        "cgroup* *Cgroup *Cgroups failSwapOn failCgroupV1 containerRuntimeEndpoint imageServiceEndpoint oomScoreAdj",
        "has to fit the machine's own set-up",
    ),
    _kept(
        "kubeReserved", "is what the components of the machine need", "write systemReserved, which is kept beside it"
    ),
    _kept("staticPod* volumePluginDir podLogsDir", _FILES),
)


def of_flag(component: str, name: str) -> Kept | None:
    """Why the component may not be given this flag; None where it may."""
    return _first((*FLAGS[component], *_EVERYWHERE), name)


def of_kubelet_field(name: str) -> Kept | None:
    """Why this field of KubeletConfiguration may not be given; None where it may."""
    return _first(KUBELET_CONFIG, name)


def listed() -> Iterator[tuple[str, Kept]]:
    """All of it, each with what it is of, for the documentation."""
    yield from ((component, kept) for component, all_kept in FLAGS.items() for kept in all_kept)
    yield from (("every component", kept) for kept in _EVERYWHERE)
    yield from (("`config` of kubelet", kept) for kept in KUBELET_CONFIG)


def _first(all_kept: tuple[Kept, ...], name: str) -> Kept | None:
    return next((kept for kept in all_kept if any(fnmatchcase(name, pattern) for pattern in kept.names)), None)
