"""All masters and machines with etcd are lost, and a snapshot brings back what the cluster knew."""

import os
import signal

import pytest

from tests.e2e import containers, echo, etcd, weave

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
SIZES = {
    "1+1": {},
    "3+1": {"masters": 3},
    "3 etcd + 1+1": {"etcd": 3},
}
VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {name: kept}
spec:
  capacity: {storage: 1Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: kept
  hostPath: {path: /var/lib/kept, type: DirectoryOrCreate}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept, namespace: default}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: kept
  resources: {requests: {storage: 1Mi}}
"""


@pytest.fixture(scope="module", params=SIZES.values(), ids=SIZES)
def cluster(request, boot):
    with boot(containers.shape(**request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def snapshot(cluster):
    """The name of a snapshot, between what is to come back and what is not."""
    echo.run(cluster, cluster.shape.nodes)
    cluster.apply_manifest(VOLUME)
    cluster.until("a bound volume", lambda: bound(cluster))
    write(cluster, "before")
    said = cluster.anywhere("etcd snapshot").stdout.splitlines()
    write(cluster, "after")
    return said[1].split()[0]


def write(cluster, name):
    cluster.kubectl("create", "configmap", name, f"--from-literal=written={name}")
    cluster.kubectl("create", "secret", "generic", name, f"--from-literal=hidden={name}")


def holders(cluster):
    """The machines that run etcd."""
    kind, count = ("etcd", cluster.shape.etcd) if cluster.shape.etcd else ("master", cluster.shape.masters)
    return [f"{kind}{number}" for number in range(1, count + 1)]


def bound(cluster):
    claims = cluster.get("persistentvolumeclaims", "--namespace=default")["items"]
    return {claim["spec"].get("volumeName"): claim["status"]["phase"] for claim in claims} == {"kept": "Bound"}


def lose_control_plane(cluster):
    """Masters and machines with etcd, with all their disks; only workers are left."""
    for machine in sorted(machine for machine in cluster.shape.machines if not machine.startswith("worker")):
        os.kill(cluster.pid(machine), signal.SIGKILL)
        cluster.lose(f"machines/{machine}")
    for machine in holders(cluster):
        cluster.lose(f"disks/{machine}-etcd")


def test_it_is_listed_and_encrypted(cluster, snapshot):
    assert snapshot in cluster.anywhere("etcd list").stdout
    kept = cluster.home / "clusters" / cluster.name / "stored" / "etcd" / "snapshots" / f"{snapshot}.age"
    assert kept.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_everything_is_back_on_new_machines(cluster, snapshot):
    lose_control_plane(cluster)
    assert snapshot in cluster.anywhere("etcd list").stdout  # with nothing of the control plane running
    cluster.anywhere("etcd restore", snapshot, "--yes")
    assert cluster.get("configmap", "before")["data"] == {"written": "before"}
    assert cluster.get("secret", "before")["data"] == {"hidden": "YmVmb3Jl"}
    for kind in ("configmap", "secret"):
        assert not cluster.kubectl("get", kind, "after", "--ignore-not-found", "--output=name")
    assert bound(cluster)
    weave.check(cluster)


def test_etcd_has_all_its_members_again(cluster, snapshot):
    assert etcd.members(cluster) == [f"etcd{n}" for n, _ in enumerate(holders(cluster), 1)]


def test_kubelets_went_on_by_themselves(cluster, snapshot):
    """New pods run on every node, and what their kubelets say reaches the API."""
    before = set(echo.pods(cluster))
    cluster.kubectl("delete", "pods", "--namespace=e2e", "--all", "--wait=false")
    cluster.until("the end of the pods before", lambda: not before & set(echo.pods(cluster)))
    echo.run(cluster, cluster.shape.nodes)
    for pod in echo.pods(cluster):
        assert echo.fetch(cluster, pod, "http://127.0.0.1:8080/hostname")


def test_nothing_is_restored_twice(cluster, snapshot):
    """The next release has no restore; what was written since stays."""
    write(cluster, "later")
    cluster.apply()
    for name in ("before", "later"):
        assert cluster.get("configmap", name)["data"] == {"written": name}
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_snapshots_go_on(cluster, snapshot):
    taken = cluster.anywhere("etcd snapshot").stdout.splitlines()[1].split()[0]
    assert taken > snapshot
    assert taken in cluster.anywhere("etcd list").stdout
