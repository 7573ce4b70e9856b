"""The programs of monitoring towards a real API server, which shows them what alerts and dashboards look at."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from addons_cluster import SYSTEM, containers, identity, taken, with_needs
from ruamel.yaml import YAML

from benchmarks.rollout import place
from generator import addon_catalog

pytest_plugins = ["addons_cluster"]
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ASKED_FIRST = {"path": "/version", "verb": "get"}  # by kube-state-metrics, which ends where it is refused


@pytest.fixture
def store(cluster, apply, tmp_path):
    """The store and kube-state-metrics as processes of this computer; gives the store's port, and what they log."""
    found = {name: taken(cluster, name) for name in ("victoria-metrics", "kube-state-metrics")}
    apply(*with_needs("monitoring"))
    account = identity(cluster, tmp_path, "monitoring")
    await_rights(cluster)
    (tmp_path / "token").write_text(json.loads(account.read_text())["users"][0]["user"]["token"])
    ports = [place.choose(tmp_path).store for _ in range(3)]
    (tmp_path / "scrape.yaml").write_text(scraped(cluster, tmp_path, ports[1]))
    words = {
        "victoria-metrics": [
            f"-httpListenAddr=127.0.0.1:{ports[0]}",
            f"-storageDataPath={tmp_path}/data",
            f"-promscrape.config={tmp_path}/scrape.yaml",
        ],
        "kube-state-metrics": [
            *(arg for arg in containers("monitoring")["kube-state-metrics"]["args"] if "port=" not in arg),
            *(f"--port={ports[1]}", f"--telemetry-port={ports[2]}", f"--kubeconfig={account}"),
        ],
    }
    log, started = tmp_path / "log", []
    with log.open("wb") as out:
        for name, program in found.items():
            started.append(subprocess.Popen([program, *words[name]], stdout=out, stderr=out))
    yield SimpleNamespace(port=ports[0], log=log)
    for process in started:
        process.kill()
        process.wait()


def await_rights(cluster):
    """Return once everybody may ask for the version: a new API server makes its own roles after it serves."""
    asked = {"user": "anybody", "groups": ["system:authenticated"], "nonResourceAttributes": ASKED_FIRST}
    end = time.monotonic() + 120
    while not cluster.api.call("POST", REVIEWS, {"spec": asked})["status"]["allowed"]:
        assert time.monotonic() < end
        time.sleep(0.2)


def scraped(cluster, folder, states):
    """What the store reads of the API server and of kube-state-metrics, from where they are here."""
    text = cluster.api.call("GET", f"{SYSTEM}/configmaps/monitoring")["data"]["scrape.yaml"]
    inside = "/var/run/secrets/kubernetes.io/serviceaccount"
    text = text.replace(f"{inside}/token", str(folder / "token")).replace(f"{inside}/ca.crt", str(cluster.place.ca))
    jobs = {each["job_name"]: each for each in YAML(typ="safe", pure=True).load(text)["scrape_configs"]}
    api_server, of_states = jobs["kube-apiserver"], jobs["kube-state-metrics"]
    del api_server["kubernetes_sd_configs"], api_server["relabel_configs"]
    api_server["static_configs"] = [{"targets": [f"{place.HOST}:{cluster.place.api}"]}]
    of_states["static_configs"] = [{"targets": [f"127.0.0.1:{states}"]}]
    nodes = {key: api_server[key] for key in ("authorization", "tls_config")}
    found = {"role": "node", "api_server": f"https://{place.HOST}:{cluster.place.api}", **nodes}
    by_api = {"job_name": "nodes", "kubernetes_sd_configs": [found]}
    return json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [api_server, of_states, by_api]})


def test_what_monitoring_looks_at_is_what_the_api_server_shows(cluster, store):
    cluster.api.call("POST", "/api/v1/nodes", {"metadata": {"name": "looked-at"}})
    wanted = {name for query in queries() for name in re.findall(r"\b(?:apiserver|kube_deployment)_[a-z_]+", query)}
    assert len(wanted) > 6
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end, missing = time.monotonic() + 120, wanted
    while missing and time.monotonic() < end:
        time.sleep(1)
        try:
            with direct.open(f"http://127.0.0.1:{store.port}/api/v1/label/__name__/values") as answer:
                missing = wanted - {*json.load(answer)["data"]}
        except urllib.error.URLError:
            pass
    assert not missing, store.log.read_text()[-3000:]
    assert "forbidden" not in store.log.read_text().lower(), store.log.read_text()[-3000:]


def queries():
    """Everything that alerts and dashboards ask for."""
    files = addon_catalog.known()["monitoring"].files
    return [text for name, text in files.items() if name.endswith(".json") or name == "alerts.yaml"]
