"""The add-on monitoring: what its pods may do and use, what it reads, and that its programs take their flags."""

import json
import re
import urllib.parse
from dataclasses import replace

import golden
import pytest
from ruamel.yaml import YAML

from generator import addon_catalog
from generator.images import catalog, recipe
from tests.running_monitoring import NAME, containers, objects, pod, running, until

FILES = addon_catalog.known()[NAME].files
DASHBOARDS = [name for name in FILES if name.endswith(".json")]
MEBIBYTES = 512  # what all of it may use on a small cluster
METRIC = re.compile(
    r"\b(?:node|kube|etcd|apiserver|container|kubelet|weave|weavenpc|anywhere|coredns|alertmanager|vmalert|vm|process)"
    r"_[a-z0-9_]+\b"
)


def scrapes():
    """What is read, by the name of the job."""
    return {each["job_name"]: each for each in YAML(typ="safe", pure=True).load(FILES["scrape.yaml"])["scrape_configs"]}


def queries():
    """Every query of a dashboard."""
    for name in DASHBOARDS:
        for row in json.loads(FILES[name])["rows"]:
            for panel in row["panels"]:
                yield from panel["expr"]


def conditions():
    """What alerts look at."""
    for group in YAML(typ="safe", pure=True).load(FILES["alerts.yaml"])["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_the_pods_may_do_no_more_than_they_must():
    for spec in (pod(), pod("DaemonSet", "node-exporter")):
        security = spec["securityContext"]
        assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] and own["capabilities"] == {"drop": ["ALL"]}
            assert own["allowPrivilegeEscalation"] is False
    assert pod("DaemonSet", "node-exporter")["automountServiceAccountToken"] is False
    kinds = {next(iter(volume.keys() - {"name"})) for volume in pod()["volumes"]}
    assert kinds == {"configMap", "persistentVolumeClaim", "projected"}  # so it fits the level `restricted`
    mounts = pod("DaemonSet", "node-exporter")["containers"][0]["volumeMounts"]
    assert all(mount["readOnly"] for mount in mounts)


def test_nobody_but_who_may_forward_ports_reaches_what_is_kept():
    words = [word for each in pod()["containers"] for word in each["args"]]
    listening = [word for word in words if re.search("listen|-host=", word, re.IGNORECASE)]
    assert len(listening) == 6
    for word in listening:
        assert re.search(r"=127\.0\.0\.1(:\d+)?$|cluster.listen-address=$", word)
    assert not any(kind == "Service" for kind, _ in objects())


def test_it_reads_no_secrets():
    rules = [rule for (kind, _), each in objects().items() if kind in ("ClusterRole", "Role") for rule in each["rules"]]
    assert not {"secrets", "configmaps", "nodes/proxy", "pods/log", "*"} & {
        name for rule in rules for name in rule.get("resources", ())
    }
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}


def mebibytes(**changes):
    """What the pods may use of memory, those of machines once for each of two."""
    limits = {
        name: sum(int(each["resources"]["limits"]["memory"].removesuffix("Mi")) for each in spec["containers"])
        for name, spec in ((NAME, pod(**changes)), ("node", pod("DaemonSet", "node-exporter", **changes)))
    }
    return limits[NAME], limits["node"]


def test_it_fits_small_machines_and_grows_with_the_cluster():
    common, each = mebibytes()
    assert common + each <= MEBIBYTES
    definition = golden.load("star-wars")[0]
    more = tuple(replace(pool, count=100) for pool in definition.workers)
    assert mebibytes(workers=more)[0] > common + 900


def test_it_is_where_kubelets_can_be_reached():
    assert "nodeSelector" not in pod()
    assert pod(case="quickstart-flannel")["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}


def test_what_it_runs_is_in_the_images():
    programs = {
        wanted.name: {f"/{name}" for name in recipe.recipe(wanted).programs}
        for wanted in catalog.wanted("v1.37.2", "weave", addons=[NAME])
        if wanted.name in addon_catalog.known()[NAME].images
    }
    for each in containers().values():
        image = each["image"].rpartition("/")[2].partition(":")[0]
        assert each.get("command", [f"/{image}"])[0] in programs[image]
        for probe in ("livenessProbe", "readinessProbe"):
            command = each.get(probe, {}).get("exec", {}).get("command", [])
            assert {*command[:1]} <= programs[image]


def kept():
    """Patterns of what is kept of metrics."""
    for each in scrapes().values():
        for rule in each.get("metric_relabel_configs", ()):
            if rule["action"] == "keep" and "source_labels" in rule:
                yield rule["regex"]
    (allowed,) = (word for word in containers()["kube-state-metrics"]["args"] if "allowlist" in word)
    yield from allowed.partition("=")[2].split(",")


def test_what_is_looked_at_is_kept():
    patterns = [re.compile(pattern) for pattern in kept()]
    looked_at = {name for query in (*queries(), *conditions()) for name in METRIC.findall(query)}
    assert len(looked_at) > 60
    assert {name for name in looked_at if not any(pattern.fullmatch(name) for pattern in patterns)} == set()


def test_a_token_is_sent_to_nobody_whose_certificate_is_not_verified():
    for each in scrapes().values():
        if "authorization" in each:
            assert each["scheme"] == "https" and each["tls_config"].keys() <= {"ca_file", "server_name"}


def test_dashboards_are_what_the_store_shows():
    titles = [json.loads(FILES[name])["title"] for name in DASHBOARDS]
    assert titles == ["Cluster", "Machines", "etcd", "API server", "Network", "Pods by machine"]
    for name in DASHBOARDS:
        for row in json.loads(FILES[name])["rows"]:
            for panel in row["panels"]:
                assert panel.keys() <= {"title", "description", "unit", "expr", "alias", "width"}
                assert len(panel["expr"]) == len(panel["alias"])


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory):
    with running(tmp_path_factory.mktemp("monitoring") / "run") as made:
        (made.folder / "host" / "metrics" / "anywhere.prom").write_text(
            'anywhere_machine_ready{} 1\nanywhere_etcd_member_up{member="etcd1"} 1\n'
            'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001",member="etcd1"} 5\n'
        )
        yield made


def found(monitoring, query):
    """What the store has for a query."""
    answer = json.loads(monitoring.ask("8428", f"/api/v1/query?query={urllib.parse.quote(query)}"))
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def test_all_is_read_and_alerts_arrive(monitoring):
    until(lambda: found(monitoring, 'anywhere_etcd_member_up{node="a",member="etcd1"} == 1'))
    until(lambda: found(monitoring, 'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"}'))
    assert found(monitoring, "node_textfile_scrape_error == 0")
    jobs = {"alertmanager", "node-exporter", "victoria-metrics", "vmalert"}  # and one that takes a cluster
    until(lambda: {each["metric"]["job"] for each in found(monitoring, "up == 1")} == jobs)
    until(lambda: "Watchdog" in monitoring.ask("9093", "/api/v2/alerts"))
    assert "Watchdog" in monitoring.ask("8428", "/api/v1/alerts")  # as the dashboards have it


def test_the_store_takes_every_query_and_shows_every_dashboard(monitoring):
    for query in (*queries(), *conditions()):
        found(monitoring, query)
    shown = json.loads(monitoring.ask("8428", "/vmui/custom-dashboards"))["dashboardsSettings"]
    assert [each["title"] for each in shown] == [json.loads(FILES[name])["title"] for name in DASHBOARDS]
    assert "<html" in monitoring.ask("8428", "/vmui/") and "<html" in monitoring.ask("9093", "/")


def test_a_probe_fails_where_one_program_does_not_answer(monitoring):
    assert monitoring.probe("livenessProbe").returncode == 0
    failed = replace(monitoring, ports={**monitoring.ports, "9093": "1"}).probe("readinessProbe")
    assert failed.returncode == 1 and "127.0.0.1:1/-/ready" in failed.stderr
