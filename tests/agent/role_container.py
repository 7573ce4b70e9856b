"""A machine of each role, and a role container that a network driver puts on its network."""

from agent.host import Host

MASTER = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)
WORKER = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
ETCD = Host("etcd2", "etcd", "etcd", "10.20.0.42", "10.0.2.100", 1500)
APISERVER = {"component": "kube-apiserver", "hostname": "kube-apiserver.weave.local", "network": "cluster"}
APISERVER |= {"advertise": "--advertise-address", "command": ["hyperkube", "kube-apiserver"]}


def joined(network, spec=APISERVER):
    settings = {
        "Entrypoint": spec["command"][:1],
        "Cmd": spec["command"][1:],
        "HostConfig": {"Binds": ["/a:/a"], "PortBindings": {"6443/tcp": []}},
        "ExposedPorts": {"6443/tcp": {}},
    }
    network.join(settings, spec)
    return settings
