"""Add-ons that a definition brings, on the command line: their images in the lock, and what is said of them."""

import json

import pytest

from generator import addons, lock, schema
from generator.operations import lock_file, own_addon_health, patience
from tests.cli.target import COREDNS, DEFINITION, pinned, run
from tests.cli.test_cli_health import cluster
from tests.test_workloads import container, pod

__all__ = ["cluster"]  # a fixture
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: "IMAGE"}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: jobs}
"""
APPS, JOBS = "/apis/apps/v1/namespaces/shop", "/apis/batch/v1/namespaces/jobs"
FRESH = "?resourceVersion=0"


@pytest.fixture
def shop(nowhere, definition):
    """Has the definition bring the add-on `shop`, whose pods run an image."""

    def bring(image="nginx:1"):
        definition.with_name("shop.yaml").write_text(WEB.replace("IMAGE", image))
        definition.write_text(f"{DEFINITION}  addons: [dns, {{name: shop, manifests: shop.yaml, namespace: shop}}]\n")

    bring()
    return bring


@pytest.fixture
def built(monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "resolve", lambda wanted, *rest: pinned(wanted))


def images(definition):
    return lock.read(lock.path_beside(definition)).images["amd64"].keys()


def test_its_images_come_into_the_lock_and_leave_it(shop, definition, built, capsys):
    before = images(definition)
    assert run("plan", "--frozen") == 1
    assert "lacks the image docker.io/library/nginx:1, and" in capsys.readouterr().err
    assert run("images", "list") == 1
    assert "the lock has no image called docker.io/library/nginx:1 for amd64" in capsys.readouterr().err
    for image in ("nginx:1", "nginx:2"):
        shop(image)
        assert run("apply", "--yes", "--timeout", "0") != 0  # nobody applies it here
        assert images(definition) == before | {f"docker.io/library/{image}"}
        capsys.readouterr()
        assert run("images", "list") == 0
        assert f"docker.io/library/{image}" in capsys.readouterr().out
    definition.write_text(DEFINITION)
    run("apply", "--yes", "--timeout", "0")
    assert images(definition) == before


def test_an_image_that_cannot_be_had_is_one_error(shop, definition, capsys):
    shop("localhost:1/team/app:1")
    before = lock.path_beside(definition).read_bytes()
    for verb in (("apply", "--yes"), ("images", "lock")):
        assert run(*verb) == 1
        err = capsys.readouterr().err
        said = "The image localhost:1/team/app:1 cannot be had, which Deployment web in shop.yaml:1, of the add-on shop"
        assert f"error: {said} asks for: " in err and err.count("error: ") == 1
        assert "hint: " in err and "ANYWHERE_IMAGES" in err
    assert lock.path_beside(definition).read_bytes() == before


def test_a_manifest_that_is_wrong_stops_every_command(shop, definition, capsys):
    definition.with_name("shop.yaml").write_text("kind: [\n")
    for verb in ("validate", "plan", "status"):
        assert run(verb) == 1
        assert "shop.yaml:2: is not YAML: " in capsys.readouterr().err


@pytest.fixture
def applied(cluster, shop, definition, built, monkeypatch):
    """A cluster that the add-on is applied to, and that answers what it is told to."""
    monkeypatch.setattr(patience, "GIVE_UP_SECONDS", 0.2)
    found = schema.load(definition)
    path = lock.path_beside(definition)
    known = lock.read(path)
    own = pinned(lock_file.catalog.own(found, "amd64"))
    lock.write(path, lock.Lock(**{**fields(known), "images": {"amd64": {**known.images["amd64"], **own}}}))
    (cluster.made,) = addons.own(found, lock.read(path))

    def tell(*problems, version=cluster.made["version"], more=0):
        word = json.dumps({"version": version, "problems": problems, "more": more})
        cluster.answer(own_addon_health.TOLD, {"kind": "ConfigMap", "data": {"shop": word}})

    cluster.tell = tell
    tell()
    cluster.answer(f"{APPS}/deployments{FRESH}", {"items": [deployment()]})
    cluster.answer(f"{JOBS}/jobs{FRESH}", {"items": [job("Complete")]})
    for namespace in ("shop", "jobs"):
        cluster.answer(f"/api/v1/namespaces/{namespace}/pods{FRESH}", {"items": []})
    return cluster


def fields(known):
    return {name: getattr(known, name) for name in known.__dataclass_fields__}


def deployment(**status):
    metadata = {"name": "web", "namespace": "shop", "generation": 1}
    return COREDNS | {"metadata": metadata, "status": COREDNS["status"] | status}


def job(condition="", message="", **status):
    conditions = [{"type": condition, "status": "True", "message": message}] if condition else []
    spec = {"selector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    metadata = {"name": "once", "namespace": "jobs"}
    return {"metadata": metadata, "spec": spec, "status": {"conditions": conditions, **status}}


def status(capsys):
    code = run("status")
    return code, capsys.readouterr().out


def test_status_has_its_version_and_what_it_makes_run(applied, capsys):
    code, out = status(capsys)
    assert code == 0
    assert f"ok    shop: version {applied.made['version']}, 2 objects\n" in out
    assert "ok    shop/web: 2 of 2 pods available\n" in out and "ok    jobs/once: the job is complete\n" in out


@pytest.mark.parametrize("version", ["0123456789ab", None])
def test_what_is_not_applied_yet_is_said(applied, capsys, version):
    if version:
        applied.tell(version=version)
    else:
        applied.answer(own_addon_health.TOLD, {"kind": "ConfigMap", "data": {"shop": "edited by somebody"}})
    code, out = status(capsys)
    assert code == 1 and f"FAIL  shop: Version {applied.made['version']} is not applied yet." in out


def test_what_the_api_refuses_is_said_in_its_words_and_ends_an_apply(applied, capsys):
    applied.tell("Deployment web: spec.selector: Required value.", more=2)
    code, out = status(capsys)
    said = f"shop: Not all of version {applied.made['version']} could be applied. Deployment web: spec.selector:"
    assert code == 1 and f"FAIL  {said} Required value; and 2 more." in out
    assert "ok    coredns: 2 of 2 pods available\n" in out
    assert run("apply", "--yes") == 1
    err = capsys.readouterr().err
    assert f"The cluster is not Ready, and the API refuses a part of shop:\n  {said}" in err


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "FAIL  shop/web: Deployment web is missing."),
        ([deployment(availableReplicas=1)], "FAIL  shop/web: 1 of 2 pods available, 1 made."),
        ([deployment(observedGeneration=0)], "FAIL  shop/web: The controller manager has not processed it yet."),
    ],
)
def test_what_is_not_available_is_said(applied, capsys, items, said):
    if said.endswith("1 made."):
        crashing = pod(container(7, state={"waiting": {"reason": "CrashLoopBackOff"}}), name="web-1")
        applied.answer(f"/api/v1/namespaces/shop/pods{FRESH}", {"items": [crashing]})
        said = "FAIL  shop/web: 1 of 2 pods available. Pod web-1 crashes: "
    applied.answer(f"{APPS}/deployments{FRESH}", {"items": items})
    code, out = status(capsys)
    assert code == 1 and said in out
    if "crashes" in said:
        assert "`kubectl --namespace shop logs web-1 --previous` says more." in out


@pytest.mark.parametrize(
    ("made", "code", "said"),
    [
        (job(active=1), 1, "FAIL  jobs/once: The job has not ended. 1 of its pods run."),
        (job("Failed", "Job has reached the specified backoff limit"), 1, "jobs/once: The job failed: Job has reached"),
        (job("Suspended"), 0, "ok    jobs/once: the job is suspended"),
    ],
)
def test_a_job_is_waited_for_to_its_end(applied, capsys, made, code, said):
    applied.answer(f"{JOBS}/jobs{FRESH}", {"items": [made]})
    found, out = status(capsys)
    assert found == code and said in out
