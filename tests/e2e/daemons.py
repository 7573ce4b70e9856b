"""A pod on each node out of what the node itself has, so that no image is needed but the sandbox's own."""

from textwrap import indent

MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}, labels: {{pod-security.kubernetes.io/enforce: privileged}}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
{pod}
      terminationGracePeriodSeconds: 1
      containers:
        - name: {name}
          image: anywhere.local/pause:3.10
          imagePullPolicy: IfNotPresent
{container}
          volumeMounts:
            - {{name: usr, mountPath: /usr, readOnly: true}}
            - {{name: lib, mountPath: /lib, readOnly: true}}
            - {{name: lib64, mountPath: /lib64, readOnly: true}}
      volumes:
        - {{name: usr, hostPath: {{path: /usr}}}}
        - {{name: lib, hostPath: {{path: /usr/lib}}}}
        - {{name: lib64, hostPath: {{path: /usr/lib64}}}}
"""


def manifest(name: str, namespace: str, *, pod: str = "", container: str) -> str:
    """A namespace and the daemon set in it; `pod` and `container` are lines of YAML for these two."""
    return MANIFEST.format(
        name=name, namespace=namespace, pod=indent(pod, " " * 6), container=indent(container, " " * 10)
    )
