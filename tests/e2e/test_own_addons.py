"""An add-on that the definition brings: its kinds, its pods with an image of its own, its changes, and its end."""

import json

import pytest

from benchmarks.rollout import programs
from generator.images import archive, layer
from generator.images.archive import Config
from tests.e2e import containers

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
IMAGE = "example.org/e2e/shop"
KINDS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {size: {type: integer}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices}
data: {tea: "3"}
"""
WEB = """\
apiVersion: example.com/v1
kind: Widget
metadata: {name: sign}
spec: {size: SIZE}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "example.org/e2e/shop:TAG", imagePullPolicy: Always}]
"""


@pytest.fixture(scope="module")
def cluster(boot, tmp_path_factory):
    """A cluster; images of two versions of the shop are in the folder that ANYWHERE_IMAGES names from then on."""
    with boot(containers.shape()) as made, pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("images")
        program = programs.take("pause", folder / "bin")
        made.ids = {tag: image(folder, tag, program) for tag in ("1", "2")}
        patch.setenv("ANYWHERE_IMAGES", str(folder))
        yield made


def image(folder, tag, program):
    """A small archive of the shop's image; gives its id."""
    layer.write(folder / "layer", {"pause": layer.File(program), "version": layer.File(tag.encode())})
    return archive.write(
        folder / f"{tag}.tar", f"{IMAGE}:{tag}", [folder / "layer"], Config(cmd=("/pause",)), "amd64"
    ).id


def write(cluster, kinds=KINDS, **words):
    """The manifests of the shop, as a person writes them."""
    folder = cluster.folder / "shop"
    folder.mkdir(exist_ok=True)
    (folder / "kinds.yaml").write_text(kinds)
    text = WEB
    for word, value in {"TAG": "1", "SIZE": "1", "REPLICAS": "1", **words}.items():
        text = text.replace(word, value)
    (folder / "web.yaml").write_text(text)


def of_shop(cluster, *what):
    return cluster.get(*what, "--namespace=shop")


def pods(cluster):
    """The images of pods that are ready."""
    found = [pod for pod in of_shop(cluster, "pods")["items"] if "deletionTimestamp" not in pod["metadata"]]
    return [pod["spec"]["containers"][0]["image"] for pod in found if pod["status"]["phase"] == "Running"]


def pinned(cluster, tag):
    return f"{IMAGE}:{tag}-{cluster.ids[tag].removeprefix('sha256:')[:12]}"


def is_gone(cluster, *what):
    return cluster.kubectl("get", *what, "--namespace=shop", "--ignore-not-found", "-o", "name").strip() == ""


def test_it_is_installed_with_its_kinds_and_its_image(cluster):
    write(cluster)
    own = {"name": "shop", "manifests": "shop", "namespace": "shop"}
    cluster.edit(lambda spec: spec.update(addons=["dns", own]))
    planned = cluster.anywhere("plan").stdout
    assert "add-on shop" in planned and "Deployment web" in planned
    cluster.apply()
    assert pods(cluster) == [pinned(cluster, "1")]
    assert of_shop(cluster, "widget", "sign")["spec"]["size"] == 1
    assert of_shop(cluster, "configmap", "prices")["data"] == {"tea": "3"}
    said = cluster.anywhere("status").stdout
    assert "shop: version " in said and "shop/web: 1 of 1 pods available" in said
    assert f"{IMAGE}:1" in cluster.anywhere("images list").stdout
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_a_change_reaches_it_and_what_it_no_longer_has_is_deleted(cluster):
    write(cluster, KINDS.rpartition("---\n")[0], TAG="2", SIZE="2")
    planned = cluster.anywhere("plan").stdout
    assert "deleted from the cluster (ConfigMap prices)" in planned
    cluster.apply()
    cluster.until("the pod of the new version", lambda: pods(cluster) == [pinned(cluster, "2")])
    assert of_shop(cluster, "widget", "sign")["spec"]["size"] == 2
    assert is_gone(cluster, "configmap", "prices")
    listed = cluster.anywhere("images list").stdout
    assert f"{IMAGE}:2" in listed and f"{IMAGE}:1" not in listed


def test_what_somebody_deletes_comes_back(cluster):
    cluster.kubectl("delete", "deployment", "web", "--namespace=shop")
    for master in (m["metadata"]["name"] for m in cluster.get("nodes")["items"] if "master" in m["metadata"]["name"]):
        cluster.on(master, "sudo touch -d '1 hour ago' /var/lib/anywhere/addons-own")
    cluster.until("the pod", lambda: pods(cluster) == [pinned(cluster, "2")])


def test_what_the_api_refuses_is_told_and_holds_up_nothing_else(cluster):
    write(cluster, TAG="2", SIZE="large")
    done = cluster.anywhere("apply", "--yes", check=False)
    assert done.returncode == 1 and "the API refuses a part of shop" in done.stderr
    assert "Widget sign" in done.stderr and "spec.size" in done.stderr
    assert of_shop(cluster, "configmap", "prices")["data"] == {"tea": "3"}  # which came back with the same apply
    assert "FAIL  shop: " in cluster.anywhere("status", check=False).stdout
    assert cluster.get("deployment", "--namespace=kube-system", "coredns")["status"]["availableReplicas"]
    write(cluster, TAG="2", SIZE="3")
    cluster.apply()
    assert of_shop(cluster, "widget", "sign")["spec"]["size"] == 3


def test_it_goes_with_the_list_but_for_what_holds_things_of_users(cluster):
    cluster.edit(lambda spec: spec.update(addons=["dns"]))
    assert "left in the cluster (CustomResourceDefinition widgets.example.com" in cluster.anywhere("plan").stdout
    cluster.apply()
    for what in (("deployment", "web"), ("widget", "sign"), ("configmap", "prices")):
        cluster.until(f"no {what[0]}", lambda what=what: is_gone(cluster, *what))
    assert not is_gone(cluster, "namespace", "shop") and not is_gone(cluster, "crd", "widgets.example.com")
    told = cluster.get("configmap", "--namespace=kube-system", "anywhere-own-addons").get("data") or {}
    assert json.dumps(told) == "{}"
    assert IMAGE not in cluster.anywhere("images list").stdout
