"""What a change of each field does to a cluster that was applied. The one table of it."""

from __future__ import annotations

from collections.abc import Mapping

LIVE = "live"
NEW = "new machines only"
REFUSED = "refused"
UNSAFE = "not supported"  # not refused yet, and the cluster may not survive it

_ARCH = (UNSAFE, "Machines keep the image of their old architecture. Add a pool instead.")
_SIZE = (
    LIVE,
    "One machine at a time is stopped and started. A cloud keeps its disk; a local one can only grow.",
)
_ETCD = "Members are neither added to etcd nor removed from it yet."

# By path: what happens, and what there is to know.
CHANGES: Mapping[str, tuple[str, str]] = {
    "metadata.name": (REFUSED, "The secrets beside the definition are of the old name."),
    "spec.kubernetes.version": (LIVE, "After `images lock`: containers are replaced, machines stay."),
    "spec.etcd.count": (UNSAFE, _ETCD),
    "spec.etcd.size": _SIZE,
    "spec.etcd.arch": _ARCH,
    "spec.masters.count": (LIVE, f"Not supported where etcd is on the masters: {_ETCD.lower()}"),
    "spec.masters.size": _SIZE,
    "spec.masters.schedulable": (NEW, "A running node keeps its taint; change it with kubectl."),
    "spec.masters.arch": _ARCH,
    "spec.workers[].name": (LIVE, "Another name is another pool: the old one is drained and removed."),
    "spec.workers[].count": (LIVE, "Workers that go are drained. Between min and max an autoscaler decides."),
    "spec.workers[].size": (NEW, "A local worker is stopped and started in place."),
    "spec.workers[].labels": (NEW, "Label running nodes with kubectl."),
    "spec.workers[].taints": (NEW, "Taint running nodes with kubectl."),
    "spec.workers[].arch": (NEW, "After `images lock`, which adds images of the architecture."),
    "spec.workers[].spot": (NEW, ""),
    "spec.workers[].min": (LIVE, ""),
    "spec.workers[].max": (LIVE, ""),
    "spec.network.driver": (REFUSED, "The lock keeps it. A lock that was made anew would break the network."),
    "spec.network.machines": (UNSAFE, "Every machine would have another address and be replaced; the plan is refused."),
    "spec.network.pods": (UNSAFE, "Running routers and pods keep the old range."),
    "spec.network.services": (UNSAFE, "Services that are there keep addresses of the old range."),
    "spec.network.encryption": (UNSAFE, "Running routers keep what they have, and new ones could not speak with them."),
    "spec.registry": (LIVE, "Containers are replaced by those of the mirror."),
    "spec.addons": (LIVE, "One that is removed from the list stays in the cluster."),
    "spec.access.ssh_keys": (NEW, "The way in, such as AWS's endpoint for ssh, is live."),
    "providers.local.machines": (NEW, "A machine stays what it is; Terraform replaces none for it."),
    "providers.local.egress": (LIVE, "Machines are stopped and started again."),
    "providers.local.host_loopback": (LIVE, ""),
    "providers.local.accel": (LIVE, "Machines are stopped and started again."),
    "providers.aws.region": (REFUSED, "The lock is of the old region."),
    "providers.aws.account": (REFUSED, "The credentials and the lock must be of this account."),
    "providers.aws.admin_cidrs": (LIVE, ""),
    "providers.aws.zones": (LIVE, "After `images lock`. One may be added, for pools to come; one that is there stays."),
    "providers.aws.sizes": (LIVE, "As a change of size: fixed machines live, workers new machines only."),
    "providers.aws.nat": (LIVE, "Connections to the outside may break once."),
    "providers.aws.load_balancer": (LIVE, "The API's address changes; `anywhere kubeconfig` writes the new one."),
    "providers.aws.vpc.id": (UNSAFE, "Every machine would be replaced."),
    "providers.aws.vpc.subnets": (LIVE, "After `images lock`. One may be added; one that is there stays."),
    "providers.aws.vpc.public_subnets": (LIVE, ""),
    "providers.aws.images": (NEW, "After `images lock`."),
    "providers.aws.tags": (LIVE, "Running workers keep theirs."),
    "providers.aws.backend.s3.bucket": (REFUSED, "Move the state first: terraform init -migrate-state."),
    "providers.aws.backend.s3.key": (REFUSED, "Move the state first: terraform init -migrate-state."),
    "providers.aws.backend.s3.region": (REFUSED, "Move the state first: terraform init -migrate-state."),
    "providers.gce.project": (REFUSED, "The lock is of the old project."),
    "providers.gce.project_number": (REFUSED, "It must be that of the project."),
    "providers.gce.region": (REFUSED, "The lock is of the old region."),
    "providers.gce.admin_cidrs": (LIVE, ""),
    "providers.gce.zones": (LIVE, "After `images lock`. One may be added, for pools to come; one that is there stays."),
    "providers.gce.sizes": (LIVE, "As a change of size: fixed machines live, workers new machines only."),
    "providers.gce.nat": (LIVE, "Connections to the outside may break once."),
    "providers.gce.load_balancer": (LIVE, "The API's address changes; `anywhere kubeconfig` writes the new one."),
    "providers.gce.network.name": (UNSAFE, "Every machine would be replaced."),
    "providers.gce.network.subnetwork": (UNSAFE, "Every machine would be replaced."),
    "providers.gce.network.project": (UNSAFE, "Every machine would be replaced."),
    "providers.gce.images": (NEW, "After `images lock`."),
    "providers.gce.labels": (LIVE, "Running workers keep theirs."),
    "providers.gce.kms_key": (REFUSED, "Every disk would be replaced, and those of etcd are protected."),
    "providers.gce.backend.gcs.bucket": (REFUSED, "Move the state first: terraform init -migrate-state."),
    "providers.gce.backend.gcs.prefix": (REFUSED, "Move the state first: terraform init -migrate-state."),
}
