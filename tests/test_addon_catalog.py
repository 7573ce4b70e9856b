"""Add-ons are folders: what they hold is what there is, and a new one works by being there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import golden
import pytest
from ruamel.yaml import YAML

from generator import addon_catalog, addons, components
from generator.definition import DRIVERS
from generator.images import catalog
from generator.lock import Image

ROOT = Path(__file__).parent.parent
DESCRIPTION = """\
about = "Answers, and knows why"
chosen_by = "definition"
group = "cluster"
workloads = [{ kind = "Deployment", name = "oracle" }]
images = { coredns = "Apache-2.0" }
"""
MANIFEST = """\
# /apis/apps/v1/namespaces/kube-system/deployments/oracle
apiVersion: apps/v1
kind: Deployment
metadata: {name: oracle, namespace: kube-system}
spec: {template: {spec: {containers: [{name: oracle, image: {{ images.coredns | tojson }}}]}}}
"""
USE = """\
import json, sys
from dataclasses import replace
from pathlib import Path
from generator import addons, schema
sys.path.append(sys.argv[2])
import golden
definition, lock, _ = golden.load("quickstart-flannel")
definition = replace(definition, addons=schema.load(Path(sys.argv[1])).addons)
print(json.dumps([addons.manifests(definition, lock, "10.96.0.10"), addons.workloads(definition, lock)]))
"""


def run(place, *words):
    """A program of the copy of this project in `place`."""
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True)


def definition(folder, *addons):
    path = folder / "cluster.yaml"
    head = "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: a}\n"
    path.write_text(f"{head}spec: {{addons: [{', '.join(addons)}], workers: {{count: 1}}}}\n")
    return path


def test_a_folder_is_all_that_a_new_add_on_takes(tmp_path):
    for name in ("generator", "providers", "modules"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "go.sum"))
    folder = tmp_path / "modules" / "addons" / "oracle"
    folder.mkdir()
    (folder / "addon.toml").write_text(DESCRIPTION)
    (folder / "oracle.yaml.j2").write_text(MANIFEST)

    found = run(tmp_path, "-c", USE, str(definition(tmp_path, "dns", "oracle")), str(ROOT / "tests"))
    assert found.returncode == 0, found.stderr
    manifests, workloads = json.loads(found.stdout)
    assert workloads == [["Deployment", "coredns"], ["Deployment", "oracle"]]
    assert manifests["cluster"].keys() == {"dns.yaml", "oracle.yaml"}
    assert 'image: "anywhere.local/coredns:' in manifests["cluster"]["oracle.yaml"]

    page = run(tmp_path, "-m", "generator.cli", "schema", "--markdown").stdout
    assert (
        "`oracle` (Answers, and knows why)" in page
        and "`metrics`, `monitoring`, `oracle`, `registry`, `storage`" in page
    )
    wrong = run(tmp_path, "-m", "generator.cli", "validate", str(definition(tmp_path, "sibyl")))
    assert (
        wrong.returncode == 1
        and '"sibyl" is not an add-on (one of: dns, metrics, monitoring, oracle, registry, storage)' in wrong.stderr
    )


def test_every_folder_says_what_it_is():
    folders = {path.name for path in (ROOT / "modules" / "addons").iterdir() if path.is_dir()}
    known = addon_catalog.known()
    assert known.keys() == folders - {"__pycache__"}
    assert {addon.group for addon in known.values()} <= {addon_catalog.BOOTSTRAP, addon_catalog.ONCE_UP}
    assert {addon.chosen_by for addon in known.values()} <= {"cluster", "driver", "definition"}
    assert all(addon.manifests and addon.about and "\n" not in addon.about for addon in known.values())


def test_no_two_add_ons_have_a_manifest_of_one_name():
    """The release has them by name, and the agent applies them in that order."""
    names = Counter(name for addon in addon_catalog.known().values() for name in addon.manifests)
    assert [name for name, times in names.items() if times > 1] == []


def manifests(driver, **changes):
    """What is made for a cluster with every add-on: file name -> YAML."""
    definition, lock, _ = golden.load("quickstart-flannel" if driver == "flannel" else "star-wars")
    definition = replace(definition, addons=tuple(addon_catalog.choices()), **changes)
    wanted = catalog.wanted(definition.kubernetes, driver, addons=definition.addons)
    images = {each.name: Image(each.name, each.ref, f"sha256:{'1' * 64}", "1" * 64, 1, "build") for each in wanted}
    groups = addons.manifests(definition, replace(lock, images={"amd64": images}), "10.96.0.10")
    return {name: text for files in groups.values() for name, text in files.items()}


def objects(driver, **changes):
    """The same, read: file name -> objects."""
    read = YAML(typ="safe", pure=True).load_all
    return {name: list(read(text)) for name, text in manifests(driver, **changes).items()}


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_object_begins_with_its_path(driver):
    """The agent applies it there, and records it by that."""
    for text in (part for file in manifests(driver).values() for part in file.split("\n---\n")):
        made, line = YAML(typ="safe", pure=True).load(text), text.partition("\n")[0]
        root, namespace = made["apiVersion"], made["metadata"].get("namespace")
        place = f"/{'api' if root == 'v1' else 'apis'}/{root}/" + (f"namespaces/{namespace}/" if namespace else "")
        kinds = re.sub("y$", "ie", re.sub("s$", "se", made["kind"].lower())) + "s"
        assert line == f"# {place}{kinds}/{made['metadata']['name']}"


def pods(found):
    """The workloads among objects, by kind and name: what their pods are like."""
    kinds = ("Deployment", "DaemonSet", "StatefulSet", "Job", "CronJob")
    return {(each["kind"], each["metadata"]["name"]): each["spec"] for each in found if each["kind"] in kinds}


@pytest.mark.parametrize("driver", DRIVERS)
def test_add_ons_run_what_they_say_of_the_images_that_they_say(driver):
    made = objects(driver)
    for addon in addon_catalog.chosen(addon_catalog.choices(), driver):
        run = pods(each for name in addon.manifests for each in made[name])
        assert set(addon.workloads) == run.keys()
        containers = [c for spec in run.values() for c in spec["template"]["spec"]["containers"]]
        assert {c["image"].rpartition("/")[2].partition(":")[0] for c in containers} == addon.images.keys()
        assert all(c["resources"]["requests"].keys() >= {"cpu", "memory"} for c in containers)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_metrics_server_runs_as(driver):
    made = objects(driver)["metrics.yaml"]
    (spec,) = pods(made).values()
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    security = {**pod["securityContext"], **container["securityContext"]}
    assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not security["allowPrivilegeEscalation"] and security["capabilities"] == {"drop": ["ALL"]}
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {"configMap", "secret"}
    assert "--kubelet-insecure-tls" not in container["args"]
    (served,) = (each["spec"] for each in made if each["kind"] == "APIService")
    assert served["service"]["name"] in addon_catalog.known()["metrics"].serves
    assert served["caBundle"] and "insecureSkipTLSVerify" not in served


@pytest.mark.parametrize(
    ("driver", "masters", "workers", "replicas"),
    [("weave", 1, 0, 1), ("weave", 1, 1, 2), ("weave", 3, 0, 2), ("flannel", 1, 3, 1), ("flannel", 3, 3, 2)],
)
def test_metrics_server_is_twice_where_it_has_two_machines(driver, masters, workers, replicas):
    """Where the driver is flannel it is on masters: clouds let nobody else reach kubelets."""
    definition = golden.load("star-wars")[0]
    pools = tuple(replace(pool, count=workers) for pool in definition.workers)
    made = objects(driver, masters=replace(definition.masters, count=masters), workers=pools)["metrics.yaml"]
    (spec,) = pods(made).values()
    assert spec["replicas"] == replicas
    on_masters = {"node-role.kubernetes.io/control-plane": ""}
    assert spec["template"]["spec"].get("nodeSelector") == (on_masters if driver == "flannel" else None)


@pytest.mark.parametrize(
    ("names", "flags"), [(("dns", "registry"), []), (("dns", "metrics"), ["--enable-aggregator-routing=true"])]
)
def test_the_api_server_reaches_pods_where_add_ons_serve(names, flags):
    definition, _, topology = golden.load("star-wars")
    made = components.containers(topology, definition.network, "weave", "10.96.0.10")
    found = components.as_defined(made, replace(definition, addons=names))["kube-apiserver"].command
    assert [flag for flag in found if "aggregator" in flag] == flags


def test_what_add_ons_serve_has_certificates():
    services = IPv4Network("10.96.0.0/16")
    assert addon_catalog.served(("dns", "metrics"), services) == {"metrics-server": ()}
    assert addon_catalog.served(("registry",), services) == {"registry": ("localhost", "10.96.0.11")}
    assert addon_catalog.served(("dns",), services) == {}


def test_what_an_add_on_needs_is_an_add_on_that_may_be_listed():
    choices = addon_catalog.choices()
    assert {name for addon in addon_catalog.known().values() for name in addon.needs} <= choices.keys()
    assert addon_catalog.needed(("dns", "registry")) == {"registry": ("storage",)}
    assert addon_catalog.needed(tuple(choices)) == {}


def test_no_two_services_have_one_address():
    numbers = [addon.address for addon in addon_catalog.known().values() if addon.address]
    assert len({*numbers, 1, 10}) == len(numbers) + 2  # the API's, and that of DNS
    assert all(number < 16 for number in numbers)  # Kubernetes gives these to nobody who does not ask for them
