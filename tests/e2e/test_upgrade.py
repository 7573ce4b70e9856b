"""One master and one worker take a patch release, go back to the one before, and put a bad one back.

A client goes on asking meanwhile. The short form of test_day_two.py, so that each change of this repository is tested
with it. A sole API server is away while it is replaced, so requests may fail; no acknowledged write may be lost.
"""

import json

import pytest

from generator.definition import VERSION
from generator.images.recipe import kubernetes_versions
from tests.e2e import containers
from tests.e2e.probe import Probe

pytestmark = pytest.mark.e2e
_VERSIONS = kubernetes_versions()
BEFORE = _VERSIONS[_VERSIONS.index(VERSION) - 1]  # the patch before the default


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape(version=BEFORE)) as made:
        made.kubectl("create", "configmap", "probe", "--from-literal=count=0")
        yield made


@pytest.fixture
def pods(cluster):
    """None is restarted, and no acknowledged write is lost, whatever the test does."""
    before = cluster.pods_started()
    with Probe(cluster.kubeconfig) as probe:
        yield before
    print(f"the client: {probe}")
    assert probe.lost == [] and probe.asked > 50
    assert cluster.pods_started() == before


def test_a_patch_release_reaches_every_machine(cluster, pods):
    cluster.edit(lambda spec: spec.update(kubernetes={"version": VERSION}))
    cluster.anywhere("images lock")
    said = cluster.anywhere("plan").stdout
    assert f"image {BEFORE} -> {VERSION}" in said and "restarted" in said
    cluster.apply()
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.get("nodes")["items"]} == {VERSION}
    assert json.loads(cluster.kubectl("get", "--raw", "/version"))["gitVersion"] == VERSION
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


@pytest.mark.day2  # as long as an upgrade once more
def test_the_release_before_it_comes_back(cluster, pods):
    cluster.anywhere("rollback")
    said = cluster.anywhere("plan", "--allow-downgrade").stdout
    assert f"image {VERSION} -> {BEFORE}" in said
    cluster.apply("--allow-downgrade")
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.get("nodes")["items"]} == {BEFORE}
    assert json.loads(cluster.kubectl("get", "--raw", "/version"))["gitVersion"] == BEFORE
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0


def test_a_bad_release_is_put_back_and_a_good_one_goes_on(cluster, pods):
    flags = {"kube-apiserver": {"flags": {"feature-gates": "NoSuchGate=true"}}}
    cluster.edit(lambda spec: spec.update(components=flags))
    done = cluster.anywhere("apply", "--yes", check=False)
    assert done.returncode == 1
    assert "master1 put kube-apiserver back" in done.stderr and "NoSuchGate" in done.stderr
    assert "Halted: master1 put kube-apiserver back" in cluster.anywhere("rollout status", check=False).stdout
    cluster.edit(lambda spec: spec.update(components={"kube-apiserver": {"flags": {"max-requests-inflight": "401"}}}))
    cluster.apply()
    assert "--max-requests-inflight=401" in cluster.on("master1", "sudo docker inspect kube-apiserver")
