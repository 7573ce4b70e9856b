"""The lock from the command line: images, driver, what does not match."""

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from generator import lock
from generator.cli.phases import show
from generator.definition import Registry
from generator.images import catalog
from generator.lock import Base, Lock
from generator.operations import lock_file
from generator.schema import load
from tests.cli.target import DEFINITION, Nowhere, pinned, run


def test_a_lock_of_another_version_is_refused(nowhere, definition, capsys):
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), kubernetes="v1.36.0"))
    assert run("plan") == 1
    assert "anywhere images lock" in capsys.readouterr().err


def test_images_are_listed_from_the_lock(nowhere, definition, capsys):
    assert run("images", "list") == 0
    assert "anywhere.local/etcd:v3.6.16" in capsys.readouterr().out
    assert run("images", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["images"]
    assert {i["name"] for i in listed} == {w.name for w in catalog.wanted("v1.37.2", "flannel")}
    assert listed[0]["archive"] == "b" * 64 and listed[0]["mirror"] is None


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("{}", ""),
        ("{aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}}", ""),
        (
            "{aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}, gce: {project: my-project, region: us-east1,"
            " admin_cidrs: [203.0.113.0/24]}}",
            " cluster.yaml --provider aws",
        ),
    ],
)
def test_without_a_lock_it_is_to_be_made_for_a_cloud_of_the_definition(nowhere, definition, section, named, capsys):
    lock.path_beside(definition).unlink()
    definition.write_text(f"{DEFINITION}providers: {section}\n")
    assert run("images", "list") == 1
    assert f"hint: Make it: `anywhere images lock{named}`.\n" in capsys.readouterr().err


def test_images_of_a_mirror_are_listed_as_machines_pull_them(nowhere, definition, capsys):
    definition.write_text(DEFINITION + "  registry: registry.example.com/k8s\n")
    assert run("images", "list", "--json") == 0
    mirrors = {i["name"]: i["mirror"] for i in json.loads(capsys.readouterr().out)["images"]}
    assert mirrors["etcd"] == "registry.example.com/k8s/etcd:v3.6.16"
    assert Registry("r.io").mirrored("docker.io/rajchaudhuri/weave:2.9.0") == "r.io/rajchaudhuri/weave:2.9.0"


@pytest.mark.parametrize("verb", ["plan", "render", "apply", ("images", "list"), ("images", "pull")])
def test_a_lock_without_an_image_is_refused(nowhere, definition, verb, capsys):
    path = lock.path_beside(definition)
    whole = lock.read(path)
    left = {n: i for n, i in whole.images["amd64"].items() if n not in ("etcd", "pause")}
    lock.write(path, replace(whole, images={"amd64": left}))
    assert run(*([verb] if isinstance(verb, str) else verb)) == 1
    err = capsys.readouterr().err
    assert "the lock has no image called etcd, pause" in err and "anywhere images lock" in err


def test_a_damaged_lock_is_to_be_restored(nowhere, definition, capsys):
    path = lock.path_beside(definition)
    path.write_text("blocks: [")
    assert run("plan") == 1 and path.read_text() == "blocks: ["
    err = capsys.readouterr().err
    assert "cluster.lock.yaml:1" in err and "hint: Restore cluster.lock.yaml from git" in err


def chosen(definition, known=None):
    stream = io.StringIO()
    project = SimpleNamespace(definition=load(definition), provider=Nowhere())
    return lock_file.choose_driver(project, known, show(stream)), stream.getvalue()


def test_the_driver_is_weave_where_its_images_can_be_had(definition, monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "available", lambda *args: True)
    assert chosen(definition) == ("weave", "")


def test_else_it_is_flannel_with_a_warning_that_says_how_to_have_weave(definition, monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "available", lambda image, *rest: "npc" not in image.ref)
    driver, said = chosen(definition)
    assert driver == "flannel"
    assert "warning: docker.io/rajchaudhuri/weave-npc" in said and "ANYWHERE_IMAGES" in said


def test_else_it_is_flannel_where_the_targets_machines_cannot_run_weave(definition, monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "available", lambda *args: pytest.fail("asked in vain"))
    monkeypatch.setattr(Nowhere, "unfit_drivers", lambda self, definition: {"weave": "the kernel has no dummy"})
    driver, said = chosen(definition)
    assert driver == "flannel"
    assert "warning: this cluster's network is flannel instead of weave: the kernel has no dummy." in said


def test_the_driver_is_decided_once_and_the_definition_decides_first(definition, monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "available", lambda *args: True)
    known = Lock("v1.37.2", "flannel", {}, None, {}, {})
    assert chosen(definition, known)[0] == "flannel"
    definition.write_text(DEFINITION + "  network: {driver: weave}\n")
    assert chosen(definition, known)[0] == "weave"


def test_images_lock_pins_images_base_and_addresses(nowhere, definition, monkeypatch, capsys):
    monkeypatch.setattr(lock_file.image_cache, "resolve", lambda wanted, *rest: pinned(wanted))
    path = lock.path_beside(definition)
    path.unlink()
    assert run("images", "lock") == 0
    made = lock.read(path)
    assert {"hyperkube", "etcd", "pause"} <= made.images["amd64"].keys()
    assert made.base == Base("debian-archive", "c" * 64) and made.blocks == {"general": 0}
    assert made.facts == {"local": {"zones": ["a"]}}
    assert run("images", "lock") == 0
    assert lock.read(path) == made
