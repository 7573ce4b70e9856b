"""Volumes of the default class: they stay while pods and machines come and go, and go with their claims."""

import pytest

from tests.e2e import containers

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
FOLDER = "/var/lib/anywhere/volumes"
# A pod out of what the machine has, as no image with a shell is on it; its user is none that owns anything.
MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: stored, labels: {pod-security.kubernetes.io/enforce: privileged}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: stored}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Mi}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: writer, namespace: stored}
spec:
  selector: {matchLabels: {app: writer}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: writer}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {runAsUser: 12345, runAsGroup: 12345}
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {matchExpressions: [{key: node.kubernetes.io/pool, operator: Exists}]}
      containers:
        - name: writer
          image: anywhere.local/pause:3.10
          imagePullPolicy: IfNotPresent
          command: [/usr/bin/sh, -c, "echo once more >> /data/starts; cp /data/starts /part/; exec sleep infinity"]
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: data, mountPath: /part, subPath: part}
            - {name: usr, mountPath: /usr, readOnly: true}
            - {name: lib, mountPath: /lib, readOnly: true}
            - {name: lib64, mountPath: /lib64, readOnly: true}
          env: [{name: PATH, value: /usr/bin}]
      volumes:
        - {name: data, persistentVolumeClaim: {claimName: data}}
        - {name: usr, hostPath: {path: /usr}}
        - {name: lib, hostPath: {path: /usr/lib}}
        - {name: lib64, hostPath: {path: /usr/lib64}}
"""
KINDS = "deployments,configmaps,serviceaccounts,roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        yield made


def classes(cluster):
    """The names of StorageClasses."""
    return [each["metadata"]["name"] for each in cluster.get("storageclasses")["items"]]


def running(cluster):
    """The only pod of the namespace where it runs and nothing of it goes; None otherwise."""
    pods = cluster.get("pods", "--namespace=stored")["items"]
    ready = [pod for pod in pods if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]]
    return ready[0] if len(pods) == len(ready) == 1 else None


def machine(cluster):
    """Where the volume is."""
    (volume,) = cluster.get("persistentvolumes")["items"]
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return term["matchExpressions"][0]["values"][0]


def on_disk(cluster, name):
    """What the machine has of the volumes."""
    return cluster.on(name, f"sudo find {FOLDER} -mindepth 1 -maxdepth 1").split()


def starts(cluster):
    """How often a pod wrote to the volume, as the machine has it; None while its subPath has something else."""
    name = machine(cluster)
    (folder,) = on_disk(cluster, name)
    files = (f"{folder}/starts", f"{folder}/part/starts")
    whole, part = (cluster.on(name, f"sudo cat {file} || true").splitlines() for file in files)
    return len(whole) if whole == part else None


def test_a_claim_without_a_class_gets_a_volume_once_storage_is_chosen(cluster):
    assert classes(cluster) == []
    cluster.edit(lambda spec: spec.update(addons=["dns", "storage"]))
    assert "installed (storage.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    assert "local-path-provisioner" in cluster.anywhere("status").stdout
    assert classes(cluster) == ["standard"]
    cluster.apply_manifest(MANIFEST)
    pod = cluster.until("the pod with its volume", lambda: running(cluster))
    assert cluster.get("persistentvolumeclaim", "data", "--namespace=stored")["status"]["phase"] == "Bound"
    assert machine(cluster) == pod["spec"]["nodeName"]
    cluster.until("what the pod wrote", lambda: starts(cluster) == 1)
    assert "drwx------" in cluster.on(machine(cluster), f"sudo ls -ld {FOLDER}")
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_a_new_pod_finds_what_the_one_before_it_wrote(cluster):
    before = running(cluster)
    cluster.kubectl("delete", "pod", "--namespace=stored", before["metadata"]["name"])
    after = cluster.until("another pod", lambda: running(cluster))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert after["spec"]["nodeName"] == before["spec"]["nodeName"]
    cluster.until("what the new pod wrote", lambda: starts(cluster) == 2)


def test_a_drained_pod_waits_for_its_machine(cluster):
    """It may be evicted, which an upgrade of the machine takes."""
    name = machine(cluster)
    cluster.kubectl("drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
    assert running(cluster) is None
    cluster.kubectl("uncordon", name)
    pod = cluster.until("the pod", lambda: running(cluster))
    assert pod["spec"]["nodeName"] == name
    cluster.until("what it wrote", lambda: starts(cluster) == 3)


def test_a_volume_outlives_a_kubelet(cluster):
    """A kubelet that is made anew mounts for a new pod what the one before it did."""
    cluster.edit(lambda spec: spec.update(components={"kubelet": {"flags": {"v": "1"}}}))
    cluster.apply()
    cluster.kubectl("rollout", "restart", "deployment/writer", "--namespace=stored")
    cluster.until("what the next pod wrote", lambda: starts(cluster) == 4)


def test_the_folder_goes_with_the_claim(cluster):
    name = machine(cluster)
    cluster.kubectl("delete", "deployment,persistentvolumeclaim", "--all", "--namespace=stored")
    cluster.until("no volume", lambda: not cluster.get("persistentvolumes")["items"])
    assert on_disk(cluster, name) == []
    assert not cluster.get("pods", "--namespace=kube-system", "--selector=k8s-app=local-path-volume")["items"]


def test_the_class_goes_with_the_list(cluster):
    cluster.edit(lambda spec: spec.update(addons=["dns"]))
    assert "deleted from the cluster (storage.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    cluster.until("no class", lambda: not classes(cluster) and not kept(cluster))
    assert cluster.get("deployment", "--namespace=kube-system", "coredns")["status"]["availableReplicas"]


def kept(cluster):
    """What is left of the add-on."""
    namespaced = cluster.kubectl("get", "--namespace=kube-system", KINDS, "-o", "name")
    others = cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    return [line for line in f"{namespaced}\n{others}".splitlines() if "local-path" in line]
