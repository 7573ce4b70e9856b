"""What etcd says of itself."""

CTL = (
    "sudo docker exec etcd1 etcdctl --endpoints=https://etcd1.weave.local:2379 --cacert=/etc/kubernetes/etcd/ca.crt"
    " --cert=/etc/kubernetes/etcd/client.crt --key=/etc/kubernetes/etcd/client.key "
)


def members(cluster):
    """The names of all members, in order; a member that does not vote yet is marked as a learner."""
    listed = (line.split(", ") for line in cluster.on(cluster.shape.first_etcd, CTL + "member list").splitlines())
    return sorted(f"{name} (learner)" if learner == "true" else name for _, _, name, _, _, learner in listed)
