"""A server on each node, to be asked by the others."""

from tests.e2e import daemons

SERVER = """\
command: [/usr/bin/python3, -u, -m, http.server, "8080", --directory, /etc]
readinessProbe: {httpGet: {path: /hostname, port: 8080}, timeoutSeconds: 5}"""
SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: e2e}
spec:
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080}]
"""
MANIFEST = daemons.manifest("echo", "e2e", container=SERVER) + SERVICE


def run(cluster, nodes):
    """Have one that is ready on each of `nodes`."""
    cluster.apply_manifest(MANIFEST)

    def all_ready():
        status = cluster.get("daemonset", "--namespace=e2e", "echo")["status"]
        return status.get("numberReady") == len(nodes)

    cluster.until("a ready pod on each node", all_ready, 600)
    assert {node for node, _ in pods(cluster).values()} == nodes


def pods(cluster):
    """Name -> (node, address) of the echo pods."""
    found = cluster.get("pods", "--namespace=e2e", "--selector=app=echo")["items"]
    return {p["metadata"]["name"]: (p["spec"]["nodeName"], p["status"].get("podIP")) for p in found}


def address(cluster, node):
    """The address of the pod on a node."""
    return next(address for where, address in pods(cluster).values() if where == node)


def fetch(cluster, pod, url, seconds=20):
    """What a pod gets from a URL, "" where it gets nothing."""
    words = ["/usr/bin/curl", "--silent", "--fail", "--max-time", str(seconds), url]
    return cluster.kubectl("exec", "--namespace=e2e", pod, "--", *words, check=False)
