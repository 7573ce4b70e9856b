"""Monitoring: it reads all that there is, alerts come and go with what is wrong, and dashboards need one command."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager

import pytest

from generator import addon_catalog
from tests.e2e import containers

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
FILES = addon_catalog.known()["monitoring"].files
METRIC = re.compile(r"\b(?:node|kube|etcd|apiserver|container|kubelet|weave|weavenpc|anywhere|coredns|vm)_[a-z0-9_]+\b")
# What is there where something is wrong, or where a cluster has more than this one.
RARE = re.compile(
    "anywhere_rollout_(halted|stuck)|etcd_network_peer_.+|kube_statefulset_.+|kube_pod_container_status_waiting_reason"
    "|kubelet_volume_stats_.+|weavenpc_.+"
)


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape(workers=2)) as made:
        bin = made.folder / "bin"
        bin.mkdir()
        (bin / "kubectl").write_text(f'#!/bin/sh\nexec {made.program} kubectl "$@"\n')
        (bin / "kubectl").chmod(0o755)
        yield made


class Dashboard:
    """What `anywhere dashboard` leads to: the store behind its dashboards, and Alertmanager."""

    def __init__(self, said):
        self.base, self.alertmanager = (
            re.search(pattern, said)[1] for pattern in (r": +(\S+)/vmui", r"Silences: +(\S+)")
        )
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, url):
        """The answer; "" where there is none, as while a pod starts."""
        try:
            with self._direct.open(url, timeout=30) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return ""

    def found(self, query):
        """The labels of what the store has for a query."""
        answer = self.get(f"{self.base}/api/v1/query?query={urllib.parse.quote(query)}")
        return [each["metric"] for each in json.loads(answer)["data"]["result"]] if answer else []

    def names(self):
        """The names of all metrics."""
        return {*json.loads(self.get(f"{self.base}/api/v1/label/__name__/values") or '{"data": []}')["data"]}

    def alerts(self):
        """What Alertmanager is told: the names of alerts, with the machine of each."""
        told = json.loads(self.get(f"{self.alertmanager}/api/v2/alerts") or "[]")
        return {(each["labels"]["alertname"], each["labels"].get("node", "")) for each in told}


@contextmanager
def opened(cluster):
    """While `anywhere dashboard` runs."""
    environment = {**os.environ, "PATH": f"{cluster.folder / 'bin'}:{os.environ['PATH']}"}
    command = cluster.line("dashboard", "--port", "18428")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Dashboard("".join(process.stdout.readline() for _ in range(4)))
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130


@pytest.fixture(scope="module")
def monitored(cluster):
    """The cluster once monitoring runs in it."""
    cluster.edit(lambda spec: spec.update(addons=["dns", "storage", "monitoring"]))
    assert "installed (monitoring.yaml, storage.yaml)" in cluster.anywhere("plan").stdout
    cluster.apply()
    said = cluster.anywhere("status").stdout
    assert "monitoring" in said and "node-exporter" in said
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0
    return cluster


def place(cluster):
    """The machine of the store's pod."""
    (pod,) = cluster.get("pods", "--namespace=kube-system", "--selector=k8s-app=monitoring")["items"]
    return pod["spec"]["nodeName"]


def test_every_machine_and_component_is_read(monitored):
    nodes = monitored.shape.nodes
    with opened(monitored) as shown:
        for job in ("kubelet", "cadvisor", "node-exporter"):
            monitored.until(job, lambda job=job: {up["node"] for up in shown.found(f'up{{job="{job}"}} == 1')} == nodes)
        for job in ("kube-apiserver", "kube-state-metrics", "coredns", "victoria-metrics", "vmalert", "alertmanager"):
            monitored.until(job, lambda job=job: shown.found(f'up{{job="{job}"}} == 1'))
        monitored.until("nothing down", lambda: shown.found("up") and not shown.found("up == 0"))
        own = "anywhere_machine_ready == 1"
        monitored.until("what machines write", lambda: {each["node"] for each in shown.found(own)} == nodes)


def test_dashboards_and_alerts_have_data(monitored):
    queries = [text for name, text in FILES.items() if name.endswith(".json") or name == "alerts.yaml"]
    wanted = {name for text in queries for name in METRIC.findall(text) if not RARE.fullmatch(name)}
    if monitored.driver != "weave":
        wanted = {name for name in wanted if not name.startswith("weave")}
    with opened(monitored) as shown:
        monitored.until("all metrics", lambda: not (wanted - shown.names()) or print(sorted(wanted - shown.names())))
        fsync = "histogram_quantile(0.99, rate(etcd_disk_wal_fsync_duration_seconds_bucket[5m])) > 0"
        monitored.until("etcd's disk", lambda: {each["member"] for each in shown.found(fsync)} == {"etcd1"})
        assert shown.found('anywhere_certificate_end_seconds{component="etcd",member="etcd1"} > time()')
        titles = [
            each["title"]
            for each in json.loads(shown.get(f"{shown.base}/vmui/custom-dashboards"))["dashboardsSettings"]
        ]
        assert titles == [json.loads(text)["title"] for name, text in FILES.items() if name.endswith(".json")]
        assert "<html" in shown.get(f"{shown.base}/vmui/") and "<html" in shown.get(shown.alertmanager)
        monitored.until("the watchdog", lambda: ("Watchdog", "") in shown.alerts())
        assert not {name for name, _ in shown.alerts()} & {"MachineDown", "EtcdMemberDown", "ApiDown", "TargetDown"}


def test_an_alert_is_raised_while_a_machine_is_down(monitored):
    lost = next(name for name in sorted(monitored.shape.nodes) if name not in ("master1", place(monitored)))
    with opened(monitored) as shown:
        os.kill(monitored.pid(lost), signal.SIGKILL)
        monitored.until("the alert", lambda: ("MachineDown", lost) in shown.alerts(), seconds=600)
        monitored.apply()
        monitored.until("its end", lambda: ("MachineDown", lost) not in shown.alerts() and shown.alerts(), seconds=600)


def test_what_is_kept_outlives_the_pod_and_the_way_opens_again(monitored):
    with opened(monitored) as shown:
        before = 'count_over_time(anywhere_machine_ready{node="master1"}[1h] offset 2m) > 0'
        monitored.until("a past", lambda: shown.found(before))
        monitored.kubectl("delete", "pod", "--namespace=kube-system", "--selector=k8s-app=monitoring")
        monitored.until("the way to the new pod", lambda: shown.found("up == 1"))
        assert shown.found(before)


def test_a_user_has_rules_and_receivers_that_stay(monitored):
    rules = {"groups": [{"name": "mine", "rules": [{"alert": "Mine", "expr": "vector(1)"}]}]}
    alertmanager = {"route": {"receiver": "mine"}, "receivers": [{"name": "mine"}]}
    namespace = "--namespace=kube-system"
    monitored.kubectl(
        "create", "configmap", namespace, "monitoring-rules", f"--from-literal=mine.yaml={json.dumps(rules)}"
    )
    secret = f"--from-literal=alertmanager.yaml={json.dumps(alertmanager)}"
    monitored.kubectl("create", "secret", namespace, "generic", "monitoring-alertmanager", secret)
    monitored.kubectl("rollout", "restart", namespace, "deployment/monitoring")
    monitored.kubectl("rollout", "status", namespace, "deployment/monitoring", "--timeout=300s")
    with opened(monitored) as shown:
        monitored.until("the alert", lambda: ("Mine", "") in shown.alerts())
        receivers = json.loads(shown.get(f"{shown.alertmanager}/api/v2/receivers"))
        assert receivers == [{"name": "mine"}]


def test_monitoring_goes_with_the_list_and_what_it_kept_stays(monitored):
    monitored.edit(lambda spec: spec.update(addons=["dns", "storage"]))
    assert "deleted from the cluster (monitoring.yaml)" in monitored.anywhere("plan").stdout
    monitored.apply()
    kinds = "deployments,daemonsets,configmaps,serviceaccounts,networkpolicies,persistentvolumeclaims,secrets"
    left = {"persistentvolumeclaim/monitoring", "configmap/monitoring-rules", "secret/monitoring-alertmanager"}

    def there():
        listed = monitored.kubectl("get", "--namespace=kube-system", kinds, "-o", "name").split()
        return {name.partition(".")[0] for name in listed if "monitoring" in name or "node-exporter" in name}

    monitored.until("only what is the user's", lambda: there() == left)
    asked = "systemctl is-active anywhere-measures || true"
    for node in sorted(monitored.shape.nodes):
        monitored.until(f"{node} at rest", lambda node=node: monitored.on(node, asked).strip() == "inactive")
