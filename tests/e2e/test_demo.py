"""The demo in a cluster: a request through all six services, what policies deny, and workers that are drained."""

import json
import os
import re
import subprocess
import sys

import pytest

from examples.demo import visit
from examples.demo.objects import NAMESPACE
from tests.e2e import containers
from tests.e2e.local_cluster import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
WORKERS = ("worker-general-1", "worker-general-2")
TWICE = [name for name in visit.SERVICES if name != "database"]
LOAD = re.compile(r"load asked=(\d+) failed=(\d+) repeated=(\d+) partial=(\d+)")
# Off the workers, which are drained, as its log goes with its pod.
ON_A_MASTER = {"spec": {"template": {"spec": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}}}
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: demo, labels: {{app: {app}}}}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: load
      image: {image}
      args: ["{url}"]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape(workers=2)) as made:
        made.edit(lambda spec: spec.update(addons=["dns", "storage", "registry"]))
        made.apply()
        bin = made.folder / "bin"
        bin.mkdir()
        (bin / "kubectl").write_text(f'#!/bin/sh\nexec {made.program} kubectl "$@"\n')
        (bin / "kubectl").chmod(0o755)
        yield made


def demo(cluster, *words):
    """What `make demo` prints: the trace, and what it did."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", str(cluster.file), *words],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "PATH": f"{cluster.folder / 'bin'}:{os.environ['PATH']}"},
    )  # fmt: skip
    print(f"$ make demo {' '.join(words)}\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def pods(cluster, app):
    """The pods of a service that are not going."""
    found = cluster.get("pods", f"--namespace={NAMESPACE}", f"--selector=app={app}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def machines(cluster, app):
    return {pod["spec"].get("nodeName") for pod in pods(cluster, app)}


def asked(cluster):
    """How often the application was asked, with this time; None while not all six services answer."""
    said = cluster.kubectl("get", "--raw", visit.VISIT, check=False)
    answer = json.loads(said) if said else {"trace": {"service": ""}}
    complete = set(visit.services(answer["trace"])) == set(visit.SERVICES)
    return answer["value"]["requests"] if complete else None


def told(cluster):
    """What the load generator logged last: asked, failed, repeated, partial; None before its first line."""
    lines = LOAD.findall(cluster.kubectl("logs", f"--namespace={NAMESPACE}", "deployment/load", check=False))
    return tuple(map(int, lines[-1])) if lines else None


def rolled_out(cluster):
    for name in visit.SERVICES:
        wait = ("rollout", "status", f"deployment/{name}", f"--namespace={NAMESPACE}", "--timeout=300s")
        cluster.kubectl(*wait)


def test_a_request_travels_through_all_six(cluster):
    shown, log = demo(cluster)
    assert "push them to localhost:5443 ... done" in log
    rows = [line for line in shown.splitlines() if " ms " in line]
    assert {re.sub(r"[^a-z-]", "", row.split(" ms ")[0]) for row in rows} == set(visit.SERVICES)
    assert all(row.split()[-1] in cluster.shape.nodes for row in rows)
    for name in TWICE:
        assert len(machines(cluster, name)) == 2


def test_what_runs_already_stays(cluster):
    before = {pod["metadata"]["uid"] for name in visit.SERVICES for pod in pods(cluster, name)}
    _, log = demo(cluster)
    assert "push them to" not in log
    assert {pod["metadata"]["uid"] for name in visit.SERVICES for pod in pods(cluster, name)} == before


def test_nobody_is_left_in_the_registry(cluster):
    assert cluster.anywhere("registry user list").stdout == ""


def reaches(cluster, app, service):
    """Whether a pod that counts as `app` gets an answer from a service."""
    deployment = cluster.get("deployment", "load", f"--namespace={NAMESPACE}")
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    name, url = f"{app}-to-{service}", f"http://{service}/healthz"
    cluster.apply_manifest(POD.format(name=name, app=app, image=image, url=url))

    def phase():
        found = cluster.get("pod", name, f"--namespace={NAMESPACE}")["status"]["phase"]
        return found if found in ("Succeeded", "Failed") else ""

    ended = cluster.until(f"the end of {name}", phase)
    log = cluster.kubectl("logs", f"--namespace={NAMESPACE}", name)
    print(f"{name}: {ended}: {log}")
    cluster.kubectl("delete", "pod", f"--namespace={NAMESPACE}", name)
    return ended == "Succeeded"


def test_policies_allow_the_arrows_of_the_drawing_alone(cluster):
    if cluster.driver != "weave":
        pytest.skip(f"{cluster.driver} enforces no NetworkPolicy")
    assert reaches(cluster, "load", "frontend")
    for app, service in (("load", "database"), ("load", "dbshell"), ("stranger", "frontend"), ("stranger", "database")):
        assert not reaches(cluster, app, service), f"{app} reaches {service}"


def test_data_outlives_the_pod_of_the_database(cluster):
    before = cluster.until("an answer of all", lambda: asked(cluster))
    (pod,) = pods(cluster, "database")
    cluster.kubectl("delete", "pod", f"--namespace={NAMESPACE}", pod["metadata"]["name"])
    after = cluster.until("an answer of all", lambda: asked(cluster))
    (other,) = pods(cluster, "database")
    assert after > before and other["metadata"]["uid"] != pod["metadata"]["uid"]


def test_no_request_fails_while_workers_are_drained(cluster):
    """One of them has the database, whose entries are then read from copies."""
    before = cluster.until("an answer of all", lambda: asked(cluster))
    demo(cluster, "--load")
    cluster.kubectl("patch", "deployment/load", f"--namespace={NAMESPACE}", "--patch", json.dumps(ON_A_MASTER))
    cluster.kubectl("rollout", "status", "deployment/load", f"--namespace={NAMESPACE}", "--timeout=300s")
    cluster.until("a line of the load", lambda: told(cluster))
    for worker in WORKERS:
        begun, *_ = told(cluster)
        cluster.kubectl("drain", worker, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=400s")
        assert not any(worker in machines(cluster, name) for name in visit.SERVICES)
        cluster.until("requests of a drained cluster", lambda begun=begun: told(cluster)[0] > begun + 100)
        cluster.kubectl("uncordon", worker)
        rolled_out(cluster)
        cluster.until("an answer of all", lambda: asked(cluster))
    total, failed, repeated, partial = told(cluster)
    print(f"| workers are drained | {total} requests, {repeated} once more, {partial} from copies, {failed} failed |")
    assert failed == 0
    assert machines(cluster, "load") == {"master1"}
    # What was counted while the database was away is there, but for what a pod owed that was drained itself.
    assert cluster.until("an answer of all", lambda: asked(cluster)) - before > (total - partial) // 2


def test_it_goes_without_a_trace(cluster):
    demo(cluster, "--remove")
    cluster.until("no volume of it", lambda: len(cluster.get("persistentvolumes")["items"]) == 1)  # the registry's
    for worker in WORKERS:
        assert not cluster.get("node", worker)["spec"].get("unschedulable")
