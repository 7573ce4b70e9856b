"""The demo's objects towards a real API server, which takes all of them, and its pods at the level `restricted`."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.rollout import place
from examples.demo import images, objects, rollout
from examples.demo.images import Image
from generator import pki
from generator.errors import UserError
from generator.operations import cluster_api
from generator.progress import Silent
from tests import real_control_plane

PODS = f"/api/v1/{objects.OF_NAMESPACE}/pods"
ACCOUNT = f"/api/v1/{objects.OF_NAMESPACE}/serviceaccounts"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with real_control_plane.running(tmp_path_factory.mktemp("cluster")) as found:
        kubeconfig = found.place.folder / "kubeconfig"
        address = f"https://{place.HOST}:{found.place.api}"
        kubeconfig.write_text(pki.admin_kubeconfig(found.secrets, address, "real-local"))
        with closing(cluster_api.client(kubeconfig, 60)) as made:
            yield made


def wanted(tag, load=False):
    built = {name: Image(name, tag, Path(name)) for name in images.names()}
    return objects.all_of("localhost:5443", built, "amd64", load)


def test_every_object_is_taken_and_a_change_of_it_too(client):
    for objects_ in (wanted("1" * 12), wanted("2" * 12, load=True), wanted("2" * 12)):
        rollout.apply(client, objects_)
    for each in wanted("2" * 12):
        assert client.find(each.path) is not None, each.path
    found = client.get(f"{objects.COLLECTIONS['Deployment']}/frontend")
    assert objects.image_of(found) == f"localhost:5443/demo/frontend:{'2' * 12}"
    assert client.get(f"{objects.COLLECTIONS['Deployment']}/load")["spec"]["replicas"] == 0
    kinds = ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
    there = {f"{objects.COLLECTIONS[kind]}/{item['metadata']['name']}" for kind in kinds
             for item in client.get(objects.COLLECTIONS[kind])["items"]}  # fmt: skip
    assert there <= {each.path for each in wanted("2" * 12)}


def test_its_pods_are_admitted_and_others_are_not(client):
    rollout.apply(client, wanted("1" * 12))
    client.create(ACCOUNT, {"metadata": {"name": "default"}})  # what no controller does here
    for each in wanted("1" * 12):
        if each.document["kind"] != "Deployment":
            continue
        template = each.document["spec"]["template"]
        name = each.document["metadata"]["name"]
        client.create(PODS, {"metadata": {"name": name, **template["metadata"]}, "spec": template["spec"]})
        assert client.find(f"{PODS}/{name}") is not None
    privileged = {"containers": [{"name": "a", "image": "a"}]}
    with pytest.raises(UserError, match='violates PodSecurity "restricted'):
        client.create(PODS, {"metadata": {"name": "other"}, "spec": privileged})


def test_what_is_not_rolled_out_is_waited_for_and_named(client):
    rollout.apply(client, wanted("1" * 12))
    assert not rollout.runs(client, wanted("1" * 12))
    with pytest.raises(UserError, match="nothing has changed for 1 s") as raised:
        rollout.wait(client, Silent(), 1)
    assert "frontend: 0 of 2 pods available, 0 of the current version" in raised.value.message


def test_what_the_api_refuses_is_told_in_its_words(client):
    rollout.apply(client, wanted("1" * 12))
    (database,) = (each for each in wanted("1" * 12) if each.path.endswith("deployments/database"))
    selector = {"matchLabels": {"app": "other"}}
    changed = {**database.document, "spec": {**database.document["spec"], "selector": selector}}
    with pytest.raises(UserError, match=r"422.*selector"):
        client.apply(database.path, changed, rollout.MANAGER)


def test_what_is_removed_goes(client):
    rollout.apply(client, wanted("1" * 12))
    began = time.monotonic()
    with pytest.raises(UserError, match="still there after 1 s"):  # no controller empties it here
        rollout.remove(client, 1)
    assert time.monotonic() - began < 60
    assert client.get(rollout.NAMESPACED)["status"]["phase"] == "Terminating"
