"""Clusters of several shapes, booted for real, and asked what a user would ask. Tests run in the order they stand."""

import os
import re
import signal
from pathlib import Path

import pytest

from generator.definition import VERSION
from generator.images import catalog
from providers.local.container import kernel
from tests.e2e import echo, etcd, leftovers, names, policy, weave

pytestmark = pytest.mark.e2e
CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME = 16, 17, 25

# One pod that would rather be on a certain node.
ROAM = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: roam, namespace: e2e}}
spec:
  selector: {{matchLabels: {{app: roam}}}}
  template:
    metadata: {{labels: {{app: roam}}}}
    spec:
      terminationGracePeriodSeconds: 5
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              preference: {{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}
      containers:
        - {{name: roam, image: "anywhere.local/pause:3.10", imagePullPolicy: IfNotPresent}}
"""


def test_every_node_is_ready(cluster):
    nodes = {node["metadata"]["name"]: node for node in cluster.get("nodes")["items"]}
    print(cluster.kubectl("get", "nodes", "-o", "wide"))
    assert set(nodes) == cluster.shape.nodes
    for node in nodes.values():
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        assert ready["status"] == "True"
        info = node["status"]["nodeInfo"]
        assert info["kubeletVersion"] == VERSION
        assert info["containerRuntimeVersion"] == f"containerd://{catalog.CONTAINERD.removeprefix('v')}"


def test_machines_have_boots_of_their_own(cluster):
    """Those that are containers share a kernel, whose boot their kubelets would report by themselves."""
    boots = {node["status"]["nodeInfo"]["bootID"] for node in cluster.get("nodes")["items"]}
    assert len(boots) == len(cluster.shape.nodes)
    assert cluster.on("worker-general-1", "cat /proc/sys/kernel/random/boot_id").strip() in boots


def test_status_agrees(cluster):
    said = cluster.anywhere("status").stdout
    assert all(machine in said for machine in cluster.shape.machines)


def test_the_network_is_the_one_asked_for(cluster):
    if cluster.driver == "flannel":
        assert "flannel" in cluster.on("worker-general-1", "sudo docker ps --format {{.Names}}").split()
        return
    report = cluster.on("worker-general-1", "curl -s http://127.0.0.1:6784/status/connections")
    shared = cluster.shape.kind == "container" and kernel.missing(["openvswitch"])
    assert re.search(rf"established +encrypted +{'sleeve' if shared else 'fastdp'} ", report)
    for name in ("kube-apiserver", "etcd1"):
        assert cluster.on("worker-general-1", f"getent ahostsv4 {name}.weave.local").split()


def test_a_container_is_apart_from_this_computer(cluster):
    if cluster.shape.kind == "vm":
        pytest.skip("virtual machines have a kernel of their own")
    machine = cluster.shape.last_worker
    own = {
        kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("pid", "mnt", "net", "uts", "ipc", "cgroup")
    }
    inside = cluster.on(machine, f"sudo readlink {' '.join(f'/proc/1/ns/{kind}' for kind in own)}").split()
    assert not set(inside) & set(own.values())
    for path in ("/sys/kernel", "/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory"):
        assert cluster.on(machine, f"sudo test -w {path} && echo writable || echo no").strip() == "no", path
    assert cluster.on(machine, "sudo test -w /proc/sys/net/ipv4/ip_forward && echo writable").strip() == "writable"
    nodes = set(cluster.on(machine, "sudo find /dev -xdev -type b,c -printf '%f\\n'").split())
    assert nodes <= {"null", "zero", "full", "random", "urandom", "tty", "tun", "console"}
    bounding = int(cluster.on(machine, "sudo grep CapBnd /proc/1/status").split()[1], 16)
    assert not bounding & (1 << CAP_SYS_MODULE | 1 << CAP_SYS_TIME | 1 << CAP_SYS_RAWIO)


def test_a_pod_runs_on_each_node(cluster):
    echo.run(cluster, cluster.shape.nodes)


def test_pods_reach_pods_on_other_machines(cluster):
    found = echo.pods(cluster)
    for pod in found:
        for node, address in found.values():
            assert echo.fetch(cluster, pod, f"http://{address}:8080/hostname"), f"{pod} does not reach {node}"


def test_services_and_names(cluster):
    for pod in echo.pods(cluster):
        cluster.until(
            f"echo by name from {pod}",
            lambda pod=pod: echo.fetch(cluster, pod, "http://echo.e2e.svc.cluster.local/hostname"),
        )
        words = ["/usr/bin/getent", "ahostsv4", "kubernetes.default.svc.cluster.local"]
        assert "10.96.0.1" in cluster.kubectl("exec", "--namespace=e2e", pod, "--", *words)


def test_a_name_that_does_not_exist_is_refused_at_the_first_try(cluster):
    own = ["nothing.e2e.svc.cluster.local", *(["nothing.weave.local"] if cluster.driver == "weave" else [])]
    for pod in echo.pods(cluster):
        assert {name: names.in_pod(cluster, pod, name) for name in own} == dict.fromkeys(own, "NXDOMAIN"), pod
    if cluster.driver == "weave":
        for machine in cluster.shape.nodes:
            assert names.on_node(cluster, machine, names.STUB, "nothing.weave.local") == "NXDOMAIN", machine


def test_a_name_that_does_not_exist_outside_is_refused_at_the_first_try(cluster):
    """WeaveDNS and systemd-resolved ask the machine's server, not each other."""
    if cluster.driver != "weave" or cluster.shape.kind != "vm":
        pytest.skip("flannel has no weaveDNS, and containers have no server outside")
    machine = "worker-general-1"
    weave_dns = cluster.on(machine, "cut -d ' ' -f 2 /run/anywhere/weave-dns.conf").strip()
    with names.upstream(cluster, machine):
        # WeaveDNS looks every few seconds whether the machine has other servers.
        cluster.until(
            "weaveDNS's answer", lambda: names.on_node(cluster, machine, weave_dns, "nothing.example") == "NXDOMAIN", 60
        )
        for number, server in enumerate((names.STUB, weave_dns)):
            assert names.on_node(cluster, machine, server, f"nothing-{number}.example") == "NXDOMAIN", server


def test_network_policy_denies(cluster):
    if cluster.driver == "flannel":
        pytest.skip("flannel enforces no network policies")
    (one, _), (_, (_, address)), *_ = echo.pods(cluster).items()
    policy.check(cluster, one, address)


def test_logs_and_exec(cluster):
    for pod, (node, _) in echo.pods(cluster).items():
        assert "GET /hostname" in cluster.kubectl("logs", "--namespace=e2e", pod)
        assert pod in cluster.kubectl("exec", "--namespace=e2e", pod, "--", "/usr/bin/uname", "-n"), node


def test_secrets_are_encrypted_at_rest(cluster):
    cluster.kubectl("create", "secret", "generic", "--namespace=e2e", "word", "--from-literal=word=xyzzy-plain")
    stored = cluster.on(cluster.shape.first_etcd, etcd.CTL + "get /registry/secrets/e2e/word")
    assert "k8s:enc:" in stored and "xyzzy-plain" not in stored


def test_converging_again_restarts_nothing(cluster):
    before = cluster.containers_started("master1")
    cluster.on("master1", "sudo systemctl start anywhere-converge.service")
    assert cluster.containers_started("master1") == before


def test_plan_says_no_changes(cluster):
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_a_killed_machine_is_drift_and_apply_heals_it(cluster):
    worker = cluster.shape.last_worker
    pid = cluster.pid(worker)
    os.kill(pid, signal.SIGKILL)
    cluster.until("the process gone", lambda: cluster.pid(worker) is None, 10)
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 2
    assert "not running" in cluster.anywhere("status", check=False).stdout
    cluster.anywhere("apply", "--yes", "--timeout", "900")
    assert cluster.pid(worker) not in (None, pid)
    one = next(pod for pod, (node, _) in echo.pods(cluster).items() if node == "master1")
    url = "http://{}:8080/hostname"
    cluster.until(
        "the healed node's pod answers", lambda: echo.fetch(cluster, one, url.format(echo.address(cluster, worker)))
    )


def test_a_worker_that_is_taken_away_leaves_first(cluster):
    shape, worker = cluster.shape, cluster.shape.last_worker
    cluster.apply_manifest(ROAM.format(node=worker))
    assert cluster.until("a pod on the worker", lambda: roaming(cluster)) == worker
    if cluster.driver == "weave":
        assert worker in weave.shares(cluster)
    text = cluster.file.read_text()
    cluster.file.write_text(
        text.replace(f"workers: {{count: {shape.workers},", f"workers: {{count: {shape.workers - 1},")
    )
    cluster.anywhere("apply", "--yes", "--timeout", "300")
    assert cluster.pid(worker) is None
    # On a slow computer the machine is off before the masters have come to an end with its node.
    left = shape.nodes - {worker}
    cluster.until("its node gone", lambda: {n["metadata"]["name"] for n in cluster.get("nodes")["items"]} == left)
    assert cluster.until("its pod elsewhere", lambda: roaming(cluster)) in left
    if cluster.driver == "weave":
        cluster.until("its addresses with the others", lambda: set(weave.shares(cluster)) == left)


def roaming(cluster):
    """Where the ready pod that may move is, "" while there is none."""
    found = cluster.get("pods", "--namespace=e2e", "--selector=app=roam")["items"]
    ready = [pod for pod in found if is_ready(pod)]
    return ready[0]["spec"]["nodeName"] if len(found) == len(ready) == 1 else ""


def is_ready(pod):
    """Whether a pod is Ready; one that is new has no conditions yet."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def test_destroy_leaves_nothing(cluster):
    pids = [pid for machine in cluster.shape.machines if (pid := cluster.pid(machine))]
    assert pids
    cluster.anywhere("destroy", "--yes")
    assert not any(alive(pid) for pid in pids)
    assert not (cluster.home / "clusters" / cluster.name).exists()
    assert list(leftovers.of(cluster.home, cluster.name)) == []


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
