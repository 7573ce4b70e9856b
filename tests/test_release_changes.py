"""What a new release changes, from real releases: two renderings of an example that differ in one thing each."""

import json
from dataclasses import replace

import golden
import pytest

from generator import render
from generator.definition import Os, Proxy, Registry
from generator.lock import Packages, Update, Updates
from generator.release_changes import CLUSTER, EVERY_MACHINE, NO_REBOOT, REBOOTED, ComponentChange, compare


def release(definition=None, lock=None, **versions):
    """The release of the example with a definition or a lock of its own, and these versions of secrets."""
    known, locked, machines = golden.load("star-wars")
    secrets = golden.secrets(machines)
    secrets |= {name: {**secrets[name], "version": version} for name, version in versions.items()}
    files = render.tree(definition or known, lock or locked, machines, golden.target(known), secrets)
    return json.loads(files["documents/release.json"])


def locked(name, **changes):
    """The example's lock with another image called `name`."""
    lock = golden.load("star-wars")[1]
    images = {arch: {**known, name: replace(known[name], **changes)} for arch, known in lock.images.items()}
    return replace(lock, images=images)


def test_a_release_is_no_change_of_itself():
    assert compare(release(), release()) == ()


def test_a_new_version_is_said_of_every_component_that_has_it():
    lock = locked("hyperkube", ref="anywhere.local/hyperkube:v1.36.3", id="sha256:" + "f" * 64)
    changes = compare(release(), release(lock=replace(lock, kubernetes="v1.36.3")))
    assert changes[0].scope == CLUSTER and changes[0].details[0].endswith("-> v1.36.3")
    images = {(c.scope, c.component): (c.details[0], c.effect) for c in changes if c.effect}
    masters = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")
    assert images.keys() == {*(("master", c) for c in masters), ("worker", "kube-proxy"), ("worker", "kubelet")}
    old = golden.load("star-wars")[1].images["amd64"]["hyperkube"].ref.rpartition(":")[2]
    assert set(images.values()) == {(f"image {old} -> v1.36.3", "restarted")}


def test_an_image_with_new_content_under_its_tag_is_said_by_identity():
    (change,) = (c for c in compare(release(), release(lock=locked("etcd", id="sha256:" + "f" * 64))) if c.effect)
    assert change.component == "etcd" and change.details[0].endswith("-> ffffffffffff")


def test_flags_are_counted_and_named_without_their_values():
    after = release()
    server = next(part for part in after["roles"]["master"]["containers"] if part["component"] == "kube-apiserver")
    kept = (word for word in server["command"] if not word.startswith("--audit-log-maxsize="))
    server["command"] = [*kept, "--audit-log-maxsize=secret", "--new=secret"]
    expected = ComponentChange("master", "kube-apiserver", ("2 flags (--audit-log-maxsize, --new)",), "restarted")
    assert compare(release(), after) == (expected,)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("etcd", ComponentChange("etcd", "etcd", ("certificates and keys",), "restarted")),
        ("weave", ComponentChange(EVERY_MACHINE, "weave", ("keys",))),
    ],
)
def test_new_secrets_are_said_without_showing_any(name, expected):
    assert compare(release(), release(**{name: "cafe"})) == (expected,)


def test_labels_are_said_of_their_pool_alone():
    definition = golden.load("star-wars")[0]
    pool = replace(definition.workers[0], labels={"disk": "fast"})
    changes = compare(release(), release(replace(definition, workers=(pool,))))
    assert changes == (ComponentChange("worker-general", "node", ("labels",)),)


def test_the_network_is_said_of_every_machine():
    definition = golden.load("star-wars")[0]
    changed = replace(definition, network=replace(definition.network, encryption=not definition.network.encryption))
    network = ComponentChange(EVERY_MACHINE, "network", ("settings (encryption)",))
    assert network in compare(release(), release(changed))


def test_what_a_role_gains_and_loses_is_started_and_stopped():
    less = release()
    part = less["roles"]["worker"]["containers"].pop()
    (gained,), (lost,) = compare(less, release()), compare(release(), less)
    assert (gained.component, gained.effect) == (part["component"], "started")
    assert (lost.component, lost.effect) == (part["component"], "stopped")


def test_a_proxy_and_the_authority_of_a_registry_are_said():
    known = golden.load("star-wars")[0]
    mirror = replace(known, registry=Registry("registry.example.com"))
    (change,) = compare(release(), release(replace(known, proxy=Proxy("", "http://proxy.example.com:3128", ()))))
    assert (change.scope, change.component) == (EVERY_MACHINE, "proxy")
    assert "https_proxy" in change.details[0] and "no_proxy" in change.details[0]
    (change,) = compare(release(mirror), release(replace(known, registry=Registry("registry.example.com", "PEM"))))
    assert change == ComponentChange(CLUSTER, "registry", ("authorities",))


def test_a_registry_in_the_cluster_is_said_of_the_machines_that_pull_from_it():
    expected = ComponentChange(EVERY_MACHINE, "containerd", ("registries (localhost:5443)",))
    known = {**release(), "registries": {}}
    assert compare(known, {**known, "registries": {"localhost:5443": "https://10.96.0.11:5443"}}) == (expected,)
    assert compare({name: value for name, value in known.items() if name != "registries"}, known) == ()


def test_how_many_pods_a_node_takes_restarts_the_kubelets_of_its_pool_alone():
    definition = golden.load("star-wars")[0]
    pool = definition.workers[0]
    after = release(replace(definition, workers=(replace(pool, max_pods=50), *definition.workers[1:])))
    expected = ComponentChange(f"worker-{pool.name}", "kubelet", ("max_pods 110 -> 50",), "restarted")
    assert compare(release(), after) == (expected,)
    before = release()
    for group in before["groups"].values():
        del group["max_pods"]  # as an older version of anywhere has it
    assert compare(before, release()) == ()


def updated(kernel="held", **versions):
    """The release of the example with these versions of Debian's packages; `_` in their names is `-`."""
    definition, lock, _ = golden.load("star-wars")
    packages = {name.replace("_", "-"): Update(version, "0" * 64) for name, version in versions.items()}
    updates = {"amd64": Updates(Packages("1" * 64, 1), packages)} if packages else {}
    return release(replace(definition, os=Os(kernel=kernel)), replace(lock, updates=updates))


@pytest.mark.parametrize(
    ("before", "after", "details", "effect"),
    [
        ({"openssl": "1"}, {"openssl": "2"}, "1 package (openssl 1 -> 2)", NO_REBOOT),
        ({}, {"openssl": "2", "curl": "8"}, "2 packages (curl 8, openssl 2)", NO_REBOOT),
        ({"curl": "8"}, {"curl": "8", "libc6": "2.41"}, "1 package (libc6 2.41)", REBOOTED),
        ({"curl": "8"}, {"curl": "9", "linux_image_cloud_amd64": "6"}, "1 package (curl 8 -> 9)", NO_REBOOT),
        (
            {"linux_image_cloud_amd64": "6"},
            {"linux_image_cloud_amd64": "6", "kernel": "moved"},
            "1 package (linux-image-cloud-amd64 6)",
            REBOOTED,
        ),
    ],
)
def test_packages_of_machines_are_said_with_what_they_take(before, after, details, effect):
    assert compare(updated(**before), updated(**after)) == (
        ComponentChange(EVERY_MACHINE, "debian", (details,), effect),
    )


def test_packages_that_stay_or_are_no_longer_updated_are_no_change():
    assert compare(updated(curl="8"), updated(curl="8")) == compare(updated(curl="8"), updated()) == ()


def test_many_packages_are_counted():
    (change,) = compare(updated(), updated(**{f"package_{n:02}": "1" for n in range(50)}))
    assert change.details[0].startswith("50 packages (package-00 1, ") and change.details[0].endswith(", and 30 more)")


def test_a_release_of_an_earlier_version_has_no_updates():
    before = updated()
    del before["updates"]
    (change,) = compare(before, updated(curl="8"))
    assert change.details == ("1 package (curl 8)",)
