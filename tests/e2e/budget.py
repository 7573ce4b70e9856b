"""Two pods that like to be on workers, and a budget by which one of them must always be available."""

import threading
from contextlib import contextmanager

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: pair, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: pair}}
  template:
    metadata: {labels: {app: pair}}
    spec:
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {matchExpressions: [{key: node.kubernetes.io/pool, operator: Exists}]}
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 50
              podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: pair}}}
      containers: [{name: pair, image: "anywhere.local/pause:3.10", imagePullPolicy: IfNotPresent}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: pair, namespace: default}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: pair}}
"""


@contextmanager
def kept(cluster):
    """Look at the pair, until the end, every second; it fails where none was available once."""
    cluster.apply_manifest(MANIFEST)
    cluster.until("the pair", lambda: available(cluster) == 2)
    over, least = threading.Event(), [2]

    def look():
        while not over.wait(1):
            least.append(available(cluster))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert min(least) >= 1
    cluster.kubectl("delete", "deployment,poddisruptionbudget", "pair")


def available(cluster):
    """How many of them are."""
    return cluster.get("deployment", "pair")["status"].get("availableReplicas", 0)


def nodes(cluster):
    """Where they are."""
    return {pod["spec"]["nodeName"] for pod in cluster.get("pods", "--selector=app=pair")["items"]}
