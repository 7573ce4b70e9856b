"""The registry in the cluster: an image is pushed from the user's machine and pulled for a pod, both by one name."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from generator import directories
from generator import lock as locks
from tests.e2e import containers

pytestmark = [
    *(pytest.mark.e2e, pytest.mark.day2),
    pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed"),
]
REFERENCE = "localhost:5443/team/tool:1"
# An image that no machine has in its containerd, and that has a program which ends.
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default}}
spec:
  restartPolicy: Never
  nodeName: {node}
  automountServiceAccountToken: false
  containers:
    - {{name: tool, image: "{image}", imagePullPolicy: Always, command: [etcdctl, version]}}
"""


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        bin = made.folder / "bin"
        bin.mkdir()
        (bin / "kubectl").write_text(f'#!/bin/sh\nexec {made.program} kubectl "$@"\n')
        (bin / "kubectl").chmod(0o755)
        yield made


def environment(cluster):
    """That of a user who has kubectl, and a home where no login is yet."""
    home = cluster.folder / "home"
    home.mkdir(exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    own = {"HOME": str(home), "DOCKER_CONFIG": str(home / ".docker"), "XDG_RUNTIME_DIR": str(home / "run")}
    path = f"{cluster.folder / 'bin'}:{os.environ['PATH']}"
    return {**kept, **own, "PATH": path, "ANYWHERE_CACHE": str(directories.cache())}


def registry(cluster, verb, *arguments, given=None):
    """`anywhere registry VERB`; the outcome."""
    command = cluster.line(f"registry {verb}", *arguments)
    done = subprocess.run(
        command, input=given or "", capture_output=True, text=True, env=environment(cluster), check=False
    )
    print(f"$ anywhere registry {verb} {' '.join(arguments)}\n{done.stderr}")
    return done


@contextmanager
def forwarded(cluster):
    """While the registry's name leads to it on this computer."""
    with subprocess.Popen(
        cluster.line("registry forward"), env=environment(cluster), stdout=subprocess.PIPE
    ) as process:
        try:
            assert b"localhost:5443 is the registry of" in process.stdout.readline()
            yield
        finally:
            process.terminate()


def skopeo(cluster, *words):
    command = ["skopeo", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(cluster), check=False)


def push(cluster, *options):
    lock = locks.read(cluster.folder / "cluster.lock.yaml")
    archive = directories.cache() / "images" / f"{lock.images['amd64']['etcd'].archive}.tar"
    return skopeo(cluster, "copy", "--quiet", *options, f"docker-archive:{archive}", f"docker://{REFERENCE}")


def ended(cluster, name):
    """How the pod ended, "" while it has not."""
    phase = cluster.get("pod", name)["status"]["phase"]
    return phase if phase in ("Succeeded", "Failed") else ""


def pulled(cluster, name, node, image=REFERENCE):
    """Run a pod on a node by an image of the registry; whether it ran."""
    cluster.apply_manifest(POD.format(name=name, node=node, image=image))
    return cluster.until("the end of the pod", lambda: ended(cluster, name)) == "Succeeded"


@pytest.fixture(scope="module")
def password(cluster):
    """Of alice, once the registry runs and takes it."""
    cluster.edit(lambda spec: spec.update(addons=["dns", "storage", "registry"]))
    assert "installed (registry.yaml, storage.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    added = registry(cluster, "user add", "alice")
    assert added.returncode == 0, added.stderr
    return added.stdout.strip()


def log_in(cluster, password):
    return registry(cluster, "login", "--user", "alice", "--password-stdin", given=password)


def test_a_user_logs_in_once_the_registry_runs(cluster, password):
    assert "registry" in cluster.anywhere("status").stdout
    wrong = log_in(cluster, "wrong")
    assert wrong.returncode == 1 and "does not take this password of alice" in wrong.stderr
    cluster.until("the login", lambda: log_in(cluster, password).returncode == 0)
    assert registry(cluster, "user list").stdout == "alice\n"
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_what_was_pushed_is_pulled_by_the_same_name_on_each_machine(cluster, password):
    with forwarded(cluster):
        refused = push(cluster, "--dest-creds=alice:wrong")
        assert refused.returncode and "authentication required" in refused.stderr, refused.stderr
        pushed = push(cluster)
        assert pushed.returncode == 0, pushed.stderr
    for node in sorted(cluster.shape.nodes):
        assert pulled(cluster, f"tool-{node}", node)
        assert "etcdctl version" in cluster.kubectl("logs", f"tool-{node}")


def test_what_was_deleted_is_collected_and_the_way_opens_again(cluster, password):
    with forwarded(cluster):
        deleted = skopeo(cluster, "delete", f"docker://{REFERENCE}")
        assert deleted.returncode == 0, deleted.stderr
        collected = registry(cluster, "collect")
        assert collected.returncode == 0 and "freed 0 bytes" not in collected.stdout, collected.stderr
        assert "The registry freed" in collected.stdout
        cluster.until("the way to the new pod", lambda: push(cluster).returncode == 0, seconds=120)
    cluster.kubectl("delete", "pods", "--all")
    assert pulled(cluster, "again", cluster.shape.last_worker)


def test_images_outlive_the_pod_and_a_removed_user_is_refused(cluster, password):
    cluster.kubectl("delete", "pod", "--namespace=kube-system", "--selector=k8s-app=registry")
    cluster.kubectl("rollout", "status", "deployment/registry", "--namespace=kube-system", "--timeout=300s")
    assert pulled(cluster, "later", cluster.shape.last_worker)
    assert registry(cluster, "user remove", "alice").returncode == 0
    cluster.until("the refusal", lambda: "does not take this password" in log_in(cluster, password).stderr)


def test_the_registry_goes_with_the_list_and_its_images_stay_until_they_are_deleted(cluster, password):
    cluster.edit(lambda spec: spec.update(addons=["dns", "storage"]))
    assert "deleted from the cluster (registry.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    cluster.until("no registry", lambda: not kept(cluster, "deployments,services,secrets,configmaps,serviceaccounts"))
    assert kept(cluster, "persistentvolumeclaims") == ["persistentvolumeclaim/registry"]
    for node in sorted(cluster.shape.nodes):
        cluster.until(f"{node} without the registry", lambda node=node: hosts(cluster, node) == "")
    cluster.kubectl("delete", "persistentvolumeclaim", "registry", "--namespace=kube-system")
    cluster.until("no volume", lambda: not cluster.get("persistentvolumes")["items"])


def kept(cluster, kinds):
    """What is left of the add-on, but for its users."""
    names = cluster.kubectl("get", "--namespace=kube-system", kinds, "-o", "name").splitlines()
    return [name for name in names if name.endswith("/registry")]


def hosts(cluster, node):
    """What containerd of a machine is told of the registry."""
    return cluster.on(node, "sudo find /etc/containerd/certs.d -path '*localhost:5443*' -type f").strip()
