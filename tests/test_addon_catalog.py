"""Add-ons are folders: what they hold is what there is, and a new one works by being there."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from generator import addon_catalog

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
    assert "`oracle` (Answers, and knows why)" in page and "`dns`, `oracle`" in page
    wrong = run(tmp_path, "-m", "generator.cli", "validate", str(definition(tmp_path, "sibyl")))
    assert wrong.returncode == 1 and '"sibyl" is not an add-on (one of: dns, oracle)' in wrong.stderr


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
