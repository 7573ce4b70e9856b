"""The role containers: flags, mounts, health and secrets of every component. Pure.

The machine that starts a container fills in `@NAME@`, `@MEMBER@`, `@NODE_IP@`, `@LABELS@`, `@TAINTS@`,
`@MAX_PODS@`, `@CGROUP_V2@` (`true` or `false`), `@INITIAL_CLUSTER@` and `@CLUSTER_STATE@`.
Flags are those that Kubernetes 1.35, 1.36 and 1.37 all have, and those of etcd 3.6.
"""

from __future__ import annotations

from collections.abc import Mapping

from generator.components.authentication import authenticating
from generator.components.container import PKI, Container
from generator.components.control_plane import apiserver, controller_manager, etcd, extended, scheduler
from generator.components.node import kubelet, proxy, reserving
from generator.components.tuning import tuned
from generator.definition import Definition, Network
from generator.topology import Topology

__all__ = ["PKI", "Container", "as_defined", "containers", "reserving"]


def containers(topology: Topology, network: Network, driver: str, dns: str) -> Mapping[str, Container]:
    """Every component by name; `driver` is the lock's, `dns` the address of the cluster's DNS Service."""
    etcds, masters = topology.having("etcd"), topology.having("kube-apiserver")
    members = [f"etcd{number}" for number, _ in enumerate(etcds, 1)]
    # An API server with a member on its machine asks that one: to each it would open a hundred connections.
    asked = ["@MEMBER@"] if etcds == masters else members
    made = (
        etcd(),
        apiserver(asked, network),
        controller_manager(network, driver, len(masters)),
        scheduler(len(masters)),
        kubelet(dns),
        proxy(network),
    )
    return {container.component: container for container in made}


def as_defined(made: Mapping[str, Container], definition: Definition) -> Mapping[str, Container]:
    """The same containers, with what the definition says of single components."""
    apiserver = authenticating(made["kube-apiserver"], definition.authentication)
    apiserver = extended(apiserver, definition.addons)
    tunings = definition.tunings
    return {
        name: tuned(container, tunings[name]) if name in tunings else container
        for name, container in {**made, apiserver.component: apiserver}.items()
    }
