"""The role containers: flags, mounts, health and secrets of every component. Pure.

The machine that starts a container fills in `@NAME@`, `@MEMBER@`, `@NODE_IP@`, `@LABELS@`, `@TAINTS@` and
`@CGROUP_V2@` (`true` or `false`).
Flags are those of Kubernetes 1.35 and etcd 3.6.
"""

from __future__ import annotations

from collections.abc import Mapping

from generator.components.container import PKI, Container
from generator.components.control_plane import apiserver, controller_manager, etcd, scheduler
from generator.components.node import kubelet, proxy, reserving
from generator.definition import Network
from generator.topology import Topology

__all__ = ["PKI", "Container", "containers", "reserving"]


def containers(topology: Topology, network: Network, driver: str, dns: str) -> Mapping[str, Container]:
    """Every component by name; `driver` is the lock's, `dns` the address of the cluster's DNS Service."""
    etcds, masters = topology.having("etcd"), topology.having("kube-apiserver")
    members = [f"etcd{number}" for number, _ in enumerate(etcds, 1)]
    # An API server with a member on its machine asks that one: to each it would open a hundred connections.
    asked = ["@MEMBER@"] if etcds == masters else members
    made = (
        etcd(members),
        apiserver(asked, network),
        controller_manager(network, driver, len(masters)),
        scheduler(len(masters)),
        kubelet(dns),
        proxy(network),
    )
    return {container.component: container for container in made}
