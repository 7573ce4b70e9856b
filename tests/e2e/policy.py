"""A NetworkPolicy that is there for a while."""

from tests.e2e import echo

DENY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: e2e}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"""


def check(cluster, pod, address):
    """A pod reaches the echo pod with that address, but not while the policy denies it."""
    url = f"http://{address}:8080/hostname"
    assert echo.fetch(cluster, pod, url)
    cluster.apply_manifest(DENY)
    cluster.until("denied traffic", lambda: not echo.fetch(cluster, pod, url, 5), 120)
    cluster.kubectl("delete", "--namespace=e2e", "networkpolicy", "deny")
    cluster.until("allowed traffic", lambda: echo.fetch(cluster, pod, url, 5), 120)
