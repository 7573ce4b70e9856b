"""The components of the control plane: etcd, the API server, the controller manager and the scheduler."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from generator import addon_catalog, dns_names
from generator.components.container import PKI, PREFERRED, Container
from generator.definition import Network


def etcd() -> Container:
    own, pki = f"https://{dns_names.etcd('@MEMBER@')}", f"{PKI}/etcd"
    return Container(
        component="etcd",
        name="@MEMBER@",
        hostname=dns_names.etcd("@MEMBER@"),
        image="etcd",
        secrets="etcd",
        command=(
            "etcd",
            "--name=@MEMBER@",
            "--data-dir=/var/lib/etcd/data",
            "--listen-client-urls=https://0.0.0.0:2379",
            f"--advertise-client-urls={own}:2379",
            "--listen-peer-urls=https://0.0.0.0:2380",
            f"--initial-advertise-peer-urls={own}:2380",
            # How it first started: see modules/node/agent/membership.py.
            "--initial-cluster=@INITIAL_CLUSTER@",
            "--initial-cluster-state=@CLUSTER_STATE@",
            f"--cert-file={pki}/server.crt",
            f"--key-file={pki}/server.key",
            f"--trusted-ca-file={pki}/ca.crt",
            "--client-cert-auth=true",
            f"--peer-cert-file={pki}/peer.crt",
            f"--peer-key-file={pki}/peer.key",
            f"--peer-trusted-ca-file={pki}/ca.crt",
            "--peer-client-cert-auth=true",
            "--listen-metrics-urls=http://127.0.0.1:2381",
            "--auto-compaction-retention=8h",
        ),
        mounts=("/var/lib/etcd:/var/lib/etcd",),
        # On a disk that is not its own, or new, it would begin data of its own before anybody has looked.
        needs="/var/lib/etcd/start.json",
        cpu_shares=PREFERRED,
        cpu=100,
        memory=100,
        # At first it is only alive: a member alone is no quorum yet, and the others wait for it to come up.
        health="http://127.0.0.1:2381/livez",
        ready="http://127.0.0.1:2381/readyz",
    )


def apiserver(members: list[str], network: Network) -> Container:
    return Container(
        component="kube-apiserver",
        name="kube-apiserver",
        hostname=dns_names.API_SERVER,
        image="hyperkube",
        secrets="kube-apiserver",
        advertise="--advertise-address",
        files={"audit-policy.yaml": AUDIT_POLICY, "admission.yaml": ADMISSION},
        command=(
            "hyperkube",
            "kube-apiserver",
            f"--etcd-servers={','.join(f'https://{dns_names.etcd(member)}:2379' for member in members)}",
            f"--service-cluster-ip-range={network.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth=true",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer=https://{dns_names.API_SERVICE}",
            "--profiling=false",
            # Without it a stop waits for every watch, for more than a minute.
            "--shutdown-watch-termination-grace-period=5s",
            *_apiserver_files(f"{PKI}/kube-apiserver"),
            *_front_proxy(f"{PKI}/kube-apiserver"),
            *AUDIT_LOG,
        ),
        mounts=("/var/log/kubernetes:/var/log/kubernetes",),
        publish=(6443,),
        cpu_shares=PREFERRED,
        cpu=250,
        memory=350,
        health="https://127.0.0.1:6443/readyz",
        health_seconds=600,
    )


def _apiserver_files(pki: str) -> tuple[str, ...]:
    """Whom it trusts, and as whom it speaks to etcd, to kubelets and to clients."""
    return (
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/server.crt",
        f"--tls-private-key-file={pki}/server.key",
        f"--etcd-cafile={pki}/etcd-ca.crt",
        f"--etcd-certfile={pki}/etcd-client.crt",
        f"--etcd-keyfile={pki}/etcd-client.key",
        f"--kubelet-certificate-authority={pki}/kubelet-serving-ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--encryption-provider-config={pki}/encryption.yaml",
        f"--admission-control-config-file={pki}/admission.yaml",
        f"--audit-policy-file={pki}/audit-policy.yaml",
    )


def _front_proxy(pki: str) -> tuple[str, ...]:
    """How API extensions are spoken to, and believed."""
    return (
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    )


def extended(apiserver: Container, addons: Collection[str]) -> Container:
    """The API server that reaches what add-ons serve by the addresses of their pods.

    It has a way to pods on each driver. On weave its way to Services would be the machine's, with an address that the
    policy controller does not know.
    """
    if not addon_catalog.extends_api(addons):
        return apiserver
    return replace(apiserver, command=(*apiserver.command, "--enable-aggregator-routing=true"))


def controller_manager(network: Network, driver: str, masters: int) -> Container:
    pki = f"{PKI}/kube-controller-manager"
    # Weave hands out pod addresses itself; flannel wants a range for each node.
    node_ranges = "true" if driver == "flannel" else "false"
    return Container(
        component="kube-controller-manager",
        name="kube-controller-manager",
        hostname=f"kube-controller-manager.{dns_names.DOMAIN}",
        image="hyperkube",
        secrets="kube-controller-manager",
        command=(
            "hyperkube",
            "kube-controller-manager",
            *(f"--{kind}kubeconfig={pki}/kubeconfig" for kind in ("", "authentication-", "authorization-")),
            f"--client-ca-file={pki}/ca.crt",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--use-service-account-credentials=true",
            f"--cluster-cidr={network.pods}",
            f"--allocate-node-cidrs={node_ranges}",
            f"--service-cluster-ip-range={network.services}",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/service-account.key",
            f"--cluster-signing-kube-apiserver-client-cert-file={pki}/kubelet-client-ca.crt",
            f"--cluster-signing-kube-apiserver-client-key-file={pki}/kubelet-client-ca.key",
            f"--cluster-signing-kubelet-client-cert-file={pki}/kubelet-client-ca.crt",
            f"--cluster-signing-kubelet-client-key-file={pki}/kubelet-client-ca.key",
            f"--cluster-signing-kubelet-serving-cert-file={pki}/kubelet-serving-ca.crt",
            f"--cluster-signing-kubelet-serving-key-file={pki}/kubelet-serving-ca.key",
            "--cluster-signing-duration=2160h",
            "--controllers=*,bootstrapsigner,tokencleaner",
            *leader_election(masters),
            "--profiling=false",
        ),
        cpu=200,
        memory=150,
        health="https://127.0.0.1:10257/healthz",
    )


def scheduler(masters: int) -> Container:
    pki = f"{PKI}/kube-scheduler"
    return Container(
        component="kube-scheduler",
        name="kube-scheduler",
        hostname=f"kube-scheduler.{dns_names.DOMAIN}",
        image="hyperkube",
        secrets="kube-scheduler",
        command=(
            "hyperkube",
            "kube-scheduler",
            *(f"--{kind}kubeconfig={pki}/kubeconfig" for kind in ("", "authentication-", "authorization-")),
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            f"--client-ca-file={pki}/ca.crt",
            *leader_election(masters),
            "--profiling=false",
        ),
        cpu=100,
        memory=100,
        health="https://127.0.0.1:10259/healthz",
    )


def leader_election(masters: int) -> tuple[str, ...]:
    """Nobody to elect among one; several wait long enough for a slow API server or etcd."""
    if masters == 1:
        return ("--leader-elect=false",)
    return (
        "--leader-elect-lease-duration=60s",
        "--leader-elect-renew-deadline=40s",
        "--leader-elect-retry-period=5s",
    )


AUDIT_LOG = (
    "--audit-log-path=/var/log/kubernetes/audit.log",
    "--audit-log-maxage=30",  # days
    "--audit-log-maxbackup=5",
    "--audit-log-maxsize=100",  # MiB
)

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # What asks all the time and changes nothing.
  - level: None
    users: ["system:kube-proxy", "system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"]
    verbs: [get, list, watch]
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get, list, watch]
  - level: None
    resources: [{group: coordination.k8s.io, resources: [leases]}]
  - level: None
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version"]
  # Who did what to which object; never the content, which may be a secret.
  - level: Metadata
"""

ADMISSION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      # A namespace's own labels override these.
      defaults: {enforce: baseline, enforce-version: latest, warn: restricted, warn-version: latest}
      exemptions: {namespaces: [kube-system]}
"""
