"""The cluster's DNS: its pods are apart, and it knows what a person adds to it for as long as that is there."""

import pytest

from tests.e2e import containers, echo

pytestmark = [pytest.mark.e2e, pytest.mark.day2]

SYSTEM, OF_DNS = "--namespace=kube-system", "--selector=k8s-app=kube-dns"
ASK = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
OWN, HOST, STUB = "kubernetes.default.svc.cluster.local.", "git.example.com.", "www.corp.example.com."
SNIPPETS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns-custom, namespace: kube-system}
data:
  hosts.override: |
    hosts {
        192.0.2.10 git.example.com
        fallthrough
    }
  corp.server: |
    corp.example.com:53 {
        errors
        hosts /etc/coredns-custom/corp.hosts
    }
  corp.hosts: |
    192.0.2.20 www.corp.example.com
"""
BROKEN = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns-custom, namespace: kube-system}
data: {broken.override: no-such-plugin}
"""
LATE = 300  # seconds until kubelets have brought a change to both pods, and these have seen it


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        echo.run(made, made.shape.nodes)
        yield made


def dns_pods(cluster):
    """The pods of DNS that are not about to go, by name."""
    found = cluster.get("pods", SYSTEM, OF_DNS)["items"]
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def machines(cluster):
    """Where those are that are ready."""
    ready = {"type": "Ready", "status": "True"}
    return sorted(
        pod["spec"]["nodeName"]
        for pod in dns_pods(cluster).values()
        if any(ready.items() <= each.items() for each in pod["status"].get("conditions", ()))
    )


def answers(cluster, name):
    """What a pod is answered, asked so often that both pods of DNS were most likely asked."""
    pod = min(echo.pods(cluster))
    words = ("exec", "--namespace=e2e", pod, "--", "/usr/bin/python3", "-c", ASK, name)
    return {cluster.kubectl(*words, check=False).strip() for _ in range(5)}


def restarts(cluster):
    return {name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in dns_pods(cluster).items()}


def test_the_pods_are_on_different_machines_once_a_cluster_is_made(cluster):
    assert machines(cluster) == sorted(cluster.shape.nodes)
    budget = cluster.get("poddisruptionbudget", SYSTEM, "coredns")
    assert budget["status"]["disruptionsAllowed"] == 1


def test_one_waits_for_a_drained_machine_and_the_other_answers(cluster):
    worker = cluster.shape.last_worker
    cluster.kubectl("drain", worker, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
    cluster.until("one pod on the master", lambda: machines(cluster) == ["master1"] and len(dns_pods(cluster)) == 2)
    assert answers(cluster, OWN) == {"10.96.0.1"}
    cluster.kubectl("uncordon", worker)
    cluster.until("a pod on each machine", lambda: machines(cluster) == sorted(cluster.shape.nodes))
    cluster.until("a cluster that is well", lambda: cluster.anywhere("status", check=False).returncode == 0)


def test_what_a_person_adds_is_answered(cluster):
    before = restarts(cluster)
    assert answers(cluster, HOST) == {""}
    cluster.apply_manifest(SNIPPETS)
    cluster.until("the entry", lambda: answers(cluster, HOST) == {"192.0.2.10"}, LATE)
    cluster.until("the server block", lambda: answers(cluster, STUB) == {"192.0.2.20"}, LATE)
    assert answers(cluster, OWN) == {"10.96.0.1"}
    assert restarts(cluster) == before


def test_it_stays_whatever_is_applied(cluster):
    made = cluster.get("configmap", SYSTEM, "coredns-custom")
    cluster.apply()
    assert cluster.get("configmap", SYSTEM, "coredns-custom") == made
    assert answers(cluster, HOST) == {"192.0.2.10"}


def test_a_snippet_with_an_error_changes_nothing_in_pods_that_run(cluster):
    before = restarts(cluster)
    cluster.kubectl("replace", "--filename=-", stdin=BROKEN)

    def refused():
        logs = [cluster.kubectl("logs", SYSTEM, name, "--since=10m") for name in before]
        return all("failed" in log and "no-such-plugin" in log for log in logs)

    cluster.until("the error in the logs of both", refused, LATE)
    assert answers(cluster, OWN) == {"10.96.0.1"} and answers(cluster, HOST) == {"192.0.2.10"}
    assert restarts(cluster) == before and len(machines(cluster)) == 2


def test_a_pod_that_starts_with_it_is_named_and_the_others_answer(cluster):
    name = max(dns_pods(cluster))
    cluster.kubectl("delete", "pod", SYSTEM, name)
    cluster.until("the crash in doctor", lambda: "no-such-plugin" in cluster.anywhere("doctor", check=False).stdout)
    assert "coredns: 1 of 2 pods available" in cluster.anywhere("doctor", check=False).stdout
    cluster.until("the answers of the other", lambda: answers(cluster, OWN) == {"10.96.0.1"})


def test_the_old_answers_come_back_with_the_end_of_it(cluster):
    cluster.kubectl("delete", "configmap", SYSTEM, "coredns-custom")
    cluster.until("both pods", lambda: len(machines(cluster)) == 2, 600)  # one waits for minutes between its starts
    cluster.until("no entry", lambda: answers(cluster, HOST) == {""}, LATE)
    assert answers(cluster, STUB) == {""} and answers(cluster, OWN) == {"10.96.0.1"}
