"""What weave says of itself."""

import json


def shares(cluster):
    """Who owns weave's addresses, by nickname, as the master has it."""
    return [owner for _, owner in ring(cluster, "master1")]


def ring(cluster, machine):
    """The addresses at which each part of the range begins, with its owner's nickname, as one machine has it."""
    report = cluster.on(machine, "curl -s -H 'Accept: application/json' http://127.0.0.1:6784/report")
    return [(entry["Token"], entry["Nickname"]) for entry in json.loads(report)["IPAM"]["Entries"]]


def check(cluster, joined=()):
    """No address has two owners or two users: machines agree who owns what, all addresses in use differ, and nothing
    else answers for them. On another network there is nothing to check.

    `joined` are machines that the cluster's shape does not have.
    """
    if cluster.driver != "weave":
        return
    machines = sorted({*cluster.shape.machines, *joined})
    rings = cluster.until("one ring", lambda: _same([ring(cluster, machine) for machine in machines]))
    assert {owner for _, owner in rings} <= set(machines)
    pods = [pod for pod in cluster.get("pods", "-A")["items"] if not pod["spec"].get("hostNetwork")]
    used = [pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")]
    for node in cluster.get("nodes")["items"]:
        used += [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    for machine in machines:  # of role containers, which the API does not know
        used += cluster.on(machine, "sudo ipset save anywhere-roles | sed -n 's/^add anywhere-roles //p'").split()
    assert len(used) == len(set(used)), sorted(used)
    cluster.until("only interfaces in use", lambda: not any(stale(cluster, machine) for machine in machines))


def stale(cluster, machine):
    """The processes of role containers that ended, but whose interfaces are there.

    Such an interface is named `vethwepl` and the process; a pod's has seven characters of its identifier there.
    """
    listed = "ls /sys/class/net | sed -n 's/^vethwepl//p'"
    return cluster.on(machine, f"for p in $({listed}); do [ ${{#p}} = 7 ] || [ -d /proc/$p ] || echo $p; done").split()


def _same(rings):
    """The ring that all have; None while they differ."""
    return rings[0] if all(each == rings[0] for each in rings) else None
