"""What a machine needs to know of a component to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ALL = "cluster"  # on the cluster's own network; the other choice is "host"
PKI = "/etc/kubernetes"
# What the kernel ends last where memory runs out: as kubeadm's static pods, and as kubelet and proxy set themselves.
CRITICAL, NODE_AGENT = -997, -999
# Of processors, where there are too few: ten times what Docker gives other containers. A busy machine would otherwise
# start its API server so slowly that the server gives up, and starts over.
PREFERRED = 10 * 1024


@dataclass(frozen=True, slots=True)
class Container:
    """What a machine needs to run one component.

    `secrets` names the bundle; `files` join it under /etc/kubernetes/<component>; `handed` are secret files written to
    the machine instead, as they change without a restart. `after` is a file of the machine that must be there before
    the component starts. `needs` is one without which Docker does not start it either, such as at a boot. `advertise`
    is the flag that takes the container's own address. `health` is a URL in the container's network namespace, asked
    for at most `health_seconds`. `oom_score` is added to the kernel's score of its processes. `cpu_shares`, in
    Docker's measure, are its part of processors that others want too; 0 is Docker's default. `cpu` (thousandths of one)
    and `memory` (MiB) are kept from pods for it.
    """

    component: str
    name: str
    image: str
    command: tuple[str, ...]
    network: str = ALL
    hostname: str = ""
    advertise: str = ""
    secrets: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    handed: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    publish: tuple[int, ...] = ()
    privileged: bool = False
    pid: str = ""
    needs_api: bool = False
    after: str = ""
    needs: str = ""
    stop_seconds: int = 30
    oom_score: int = CRITICAL
    cpu_shares: int = 0
    cpu: int = 0
    memory: int = 0
    health: str = ""
    ready: str = ""
    health_seconds: int = 300
