"""The components of every node: the kubelet and the proxy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from generator.components.container import NODE_AGENT, PKI, Container
from generator.definition import Network
from generator.pki.documents import KUBELET_CERTIFICATE

CONFIGURATION = "kubelet.yaml"
# A kubelet would write its kubeconfig once, and for ever trust what it trusted then.
HANDED = {name: f"/var/lib/kubelet/{name}" for name in ("bootstrap-kubeconfig", "kubeconfig")}
KUBELET_MOUNTS = (
    "/var/lib/kubelet:/var/lib/kubelet:rshared",
    "/run:/run:rslave",
    # To the kubelet the containerd of pods is where its cAdvisor looks for it, which from 1.37 on no flag changes.
    "/run/anywhere/containerd:/run/containerd",
    "/sys:/sys:rw",
    "/proc:/proc",  # where a machine that is a container has a boot of its own, and a new /proc has the kernel's
    "/dev:/dev",
    "/lib/modules:/lib/modules:ro",
    "/var/log/pods:/var/log/pods",
    "/var/log/containers:/var/log/containers",
    "/var/lib/containerd:/var/lib/containerd:ro",
    # The add-on storage has volumes there. On every kubelet, as they stay where the add-on goes.
    "/var/lib/anywhere/volumes:/var/lib/anywhere/volumes",
    "/etc/machine-id:/etc/machine-id:ro",
    "/etc/os-release:/etc/os-release:ro",
    "/etc/cni/net.d:/etc/cni/net.d:ro",
    "/opt/cni/bin:/opt/cni/bin:ro",
)


def kubelet(dns: str) -> Container:
    pki = f"{PKI}/kubelet"
    return Container(
        component="kubelet",
        name="kubelet",
        image="hyperkube",
        network="host",
        pid="host",
        privileged=True,
        secrets="kubelet",
        files={CONFIGURATION: kubelet_configuration(pki, dns)},
        handed=HANDED,
        needs_api=True,
        command=(
            "hyperkube",
            "kubelet",
            f"--config={pki}/{CONFIGURATION}",
            "--kubeconfig=/var/lib/kubelet/kubeconfig",
            "--bootstrap-kubeconfig=/var/lib/kubelet/bootstrap-kubeconfig",
            "--hostname-override=@NAME@",
            "--node-ip=@NODE_IP@",
            "--node-labels=@LABELS@",
            "--register-with-taints=@TAINTS@",
            "--max-pods=@MAX_PODS@",
            "--fail-cgroupv1=@CGROUP_V2@",  # by itself, the kubelet refuses a host that has cgroups of version 1 only
        ),
        mounts=KUBELET_MOUNTS,
        oom_score=NODE_AGENT,
        cpu=100,
        memory=250,  # with the runtimes, the network's router and the system itself
        health="http://127.0.0.1:10248/healthz",
    )


def proxy(network: Network) -> Container:
    return Container(
        component="kube-proxy",
        name="kube-proxy",
        image="hyperkube",
        network="host",
        privileged=True,
        secrets="kubelet",  # for nothing but to be started again when whom to trust changes: it reads that once
        handed=HANDED,
        command=(
            "hyperkube",
            "kube-proxy",
            # A node's own certificate, so that no machine holds a long-lived key for this.
            "--kubeconfig=/var/lib/kubelet/kubeconfig",
            "--hostname-override=@NAME@",
            "--proxy-mode=iptables",
            f"--cluster-cidr={network.pods}",
            "--conntrack-max-per-core=0",
        ),
        mounts=(
            "/var/lib/kubelet:/var/lib/kubelet:ro",
            "/lib/modules:/lib/modules:ro",
            "/run/xtables.lock:/run/xtables.lock",
        ),
        oom_score=NODE_AGENT,
        cpu=50,
        memory=50,
        after=KUBELET_CERTIFICATE,
        health="http://127.0.0.1:10256/healthz",
    )


def kubelet_configuration(pki: str, dns: str) -> str:
    """KubeletConfiguration, kubelet.config.k8s.io/v1beta1 (JSON is YAML)."""
    content: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "systemd",
        "clusterDNS": [dns],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "resolvConf": "/var/lib/kubelet/resolv.conf",
        "rotateCertificates": True,
        "serverTLSBootstrap": True,
        "failSwapOn": True,
        # In numbers, not in parts of a disk: that of a machine which is a container is the whole computer's.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "2Gi", "imagefs.available": "2Gi"},
    }
    return _json(content)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def reserving(chosen: Sequence[Container]) -> list[Container]:
    """The containers of one machine, whose kubelet keeps from pods what all of them need."""
    made = []
    for container in chosen:
        if container.component == "kubelet":
            configuration = json.loads(container.files[CONFIGURATION])
            cpu, memory = sum(each.cpu for each in chosen), sum(each.memory for each in chosen)
            configuration["kubeReserved"] = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
            container = replace(container, files={CONFIGURATION: _json(configuration)})
        made.append(container)
    return made
