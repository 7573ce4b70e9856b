"""`anywhere plan --offline`: what a cloud would get, where no cloud can be asked."""

import json

import pytest
from ruamel.yaml import YAML

from generator import lock, render
from tests import cloud_session, clouds, golden
from tests.aws_clusters import VPC
from tests.cli.target import run
from tests.offline import stand_ins

EXISTING = {"aws": {"vpc": VPC}, "gce": {"network": {"name": "shared", "subnetwork": "nodes"}}}


@pytest.fixture(scope="module")
def nobody():
    with stand_ins() as environment:
        yield environment


@pytest.fixture(params=["aws", "gce"])
def target(request, nobody, tmp_path, monkeypatch):
    """A target whose provider is a stand-in; nothing is beside the definition."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in nobody.items():
        monkeypatch.setenv(name, value)
    for name in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    define(tmp_path, request.param)
    monkeypatch.chdir(tmp_path)
    return request.param


def define(folder, target, **section):
    document = YAML().load((golden.EXAMPLES / "star-wars" / "cluster.yaml").read_text())
    document["providers"] = {target: {**clouds.SECTIONS[target], **section}}
    with (folder / "cluster.yaml").open("w") as file:
        YAML().dump(document, file)


def beside(folder):
    return sorted(path.name for path in folder.iterdir() if path.name not in ("cache", "config", "data"))


def test_a_new_cluster_is_planned_without_lock_credentials_and_state(target, tmp_path, capsys):
    assert run("plan", "--offline", "--provider", target, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"].keys() == {"create"} and found["counts"]["create"] > 50
    assert found["remarks"][0].startswith("This is the plan of a new cluster, whatever is there already.")
    assert beside(tmp_path) == ["cluster.yaml"]


def test_what_the_lock_has_is_planned_with(target, tmp_path, capsys, monkeypatch):
    define(tmp_path, target, **EXISTING[target])
    assert run("plan", "--offline", "--provider", target) == 1
    err = capsys.readouterr().err
    assert f"The lock has no facts of {target.upper()}, and offline the " in err
    assert "hint: Get them once, with credentials, and commit the lock: `anywhere images lock" in err
    define(tmp_path, target)
    facts = clouds.FACTS[target] | {"zones": clouds.FACTS[target]["zones"][:2]}
    known = golden.load("star-wars")[1]
    lock.write(tmp_path / "cluster.lock.yaml", lock.Lock(**{**fields(known), "facts": {target: facts}}))
    rendered = {}
    monkeypatch.setattr(render, "variables", lambda *given: rendered.update(lock=given[1]) or VARIABLES(*given))
    assert run("plan", "--offline", "--provider", target) == 0
    assert rendered["lock"].facts[target]["zones"] == facts["zones"]


VARIABLES = render.variables


def fields(known):
    return {name: getattr(known, name) for name in known.__slots__}


def test_a_cluster_that_is_there_keeps_its_folder(target, tmp_path, monkeypatch, capfd):
    session = cloud_session.make(tmp_path, target, monkeypatch, capfd)
    assert session.run("plan", "--offline") == 0 and not session.folder.exists()
    assert session.run("plan", "--offline", "--save", str(tmp_path / "plan")) == 1
    assert b"--offline and --save cannot be given together." in session.said
