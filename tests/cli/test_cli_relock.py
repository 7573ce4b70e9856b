"""What resolves a lock, what only foresees it, and what `images lock` refuses to move."""

from dataclasses import replace

import pytest

from generator import lock, packages
from generator.images import catalog
from generator.lock import Base, Packages, Update, Updates
from generator.operations import artifacts, lock_file, resolution
from generator.schema import fields
from tests.cli.target import DEFINITION, pinned, run

UPDATES = Updates(Packages("9" * 64, 8), {"openssl": Update("3.5.4-1", "8" * 64)})


@pytest.fixture
def path(nowhere, definition):
    return lock.path_beside(definition)


@pytest.fixture
def unbuilt(monkeypatch):
    """A computer that has no image, and may not make any; no release site answers."""

    def make(*args):
        raise AssertionError("made an image")

    monkeypatch.setattr(lock_file.image_cache, "resolve", make)
    monkeypatch.setattr(lock_file.image_cache.upstream, "has", lambda wanted: False)
    monkeypatch.setattr(lock_file.image_cache, "available", lambda *args: False)


@pytest.fixture
def built(monkeypatch):
    monkeypatch.setattr(lock_file.image_cache, "resolve", lambda wanted, *rest: pinned(wanted))
    monkeypatch.setattr(lock_file.image_cache, "available", lambda *args: False)


def new(definition):
    """Make the cluster a new one, with neither lock nor secrets."""
    lock.path_beside(definition).unlink()
    (definition.parent / "cluster.secrets.age").unlink()


def test_a_plan_without_a_lock_builds_nothing_and_says_what_apply_will(path, definition, unbuilt, capsys):
    new(definition)
    assert run("plan") == 0 and not path.exists()
    out = capsys.readouterr().out
    assert "builds hyperkube (about 7 min of CPU), containerd (about 2 min of CPU)," in out
    assert " etcd, cni, coredns, pause, flannel (about 1 min of CPU each)" in out
    assert "makes the machine image, where the cache has none" in out
    for form in ("--json", "--markdown"):
        assert run("plan", form) == 0 and "hyperkube (about 7 min of CPU)" in capsys.readouterr().out
    assert run("render") == 1
    assert "hint: Make it: `anywhere images lock`.\n" in capsys.readouterr().err and not path.exists()


def test_what_a_registry_or_a_release_site_has_is_fetched(path, definition, unbuilt, monkeypatch, capsys):
    new(definition)
    definition.write_text(DEFINITION + "  network: {driver: weave}\n")
    monkeypatch.setattr(lock_file.image_cache.upstream, "has", lambda wanted: True)
    assert run("plan") == 0
    assert "fetches hyperkube, weave, weaveexec, weavedb, weave-npc;" in capsys.readouterr().out


def test_an_apply_without_a_lock_resolves_before_it_plans_and_writes_after_yes(path, definition, built, monkeypatch):
    new(definition)
    seen = []
    monkeypatch.setattr("generator.cli.approval.require_terminal", lambda: None)
    monkeypatch.setattr("generator.cli.approval.confirm", lambda *args: seen.append(path.exists()))
    monkeypatch.setattr(artifacts, "prepare", lambda *args: seen.append(path.exists()))
    run("apply", "--timeout", "0")
    assert seen == [False, True]
    made = lock.read(path)
    assert made.base == Base("debian-archive", "c" * 64) and made.blocks == {"general": 0}
    assert made.updates == {}  # machines begin with what their image has


@pytest.mark.parametrize("verb", [("plan",), ("render",), ("apply", "--yes")], ids=" ".join)
@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ({"facts": {}}, "the facts of local"),
        ({"base": None, "blocks": {}}, "the machine image, the addresses of pool general"),
    ],
)
def test_frozen_names_what_the_lock_lacks(path, verb, lacking, said, unbuilt, monkeypatch, capsys, nowhere):
    lock.write(path, replace(lock.read(path), **lacking))
    before = path.read_bytes()
    monkeypatch.setattr(nowhere, "facts", lambda definition: pytest.fail("asked"), raising=False)
    assert run(*verb, "--frozen") == 1 and path.read_bytes() == before
    err = capsys.readouterr().err
    assert f"cluster.lock.yaml lacks {said}, and --frozen resolves nothing." in err
    assert "hint: Complete the lock: `anywhere images lock`.\n" in err


def test_frozen_is_for_a_lock_that_is_complete(path, definition, capsys):
    for verb in ("plan", "render"):
        assert run(verb, "--frozen") == 0
    assert run("apply", "--frozen", "--yes", "--timeout", "20") == 0
    path.unlink()
    assert run("plan", "--frozen") == 1
    assert "hint: Make it: `anywhere images lock`.\n" in capsys.readouterr().err


def test_a_lock_of_another_target_is_completed_in_memory(path, nowhere):
    lock.write(path, replace(lock.read(path), facts={"gce": {"zones": ["b"]}}))
    before = path.read_bytes()
    assert run("plan") == 0 and run("render") == 0 and path.read_bytes() == before
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert lock.read(path).facts == {"gce": {"zones": ["b"]}, "local": {"zones": ["a"]}}


@pytest.mark.parametrize(
    ("addon", "image", "version"),
    [
        ("metrics", "metrics-server", catalog.METRICS_SERVER),
        ("storage", "local-path-provisioner", catalog.LOCAL_PATH_PROVISIONER),
    ],
)
def test_an_add_on_that_is_new_in_the_list_brings_its_image_and_nothing_moves(
    path, definition, built, capsys, addon, image, version
):
    before = lock.read(path).images["amd64"]
    definition.write_text(DEFINITION + f"  addons: [dns, {addon}]\n")
    assert run("plan", "--frozen") == 1
    assert f"lacks the image anywhere.local/{image}:{version}, and" in capsys.readouterr().err
    assert run("images", "list") == 1
    assert f"the lock has no image called {image} for amd64" in capsys.readouterr().err
    assert run("apply", "--yes", "--timeout", "0") != 0  # nobody makes its pods here
    after = lock.read(path).images["amd64"]
    assert after.keys() - before.keys() == {image} and before.items() <= after.items()


def test_a_plan_says_that_an_add_ons_image_is_built_first(path, definition, unbuilt, capsys):
    definition.write_text(DEFINITION + "  addons: [dns, metrics]\n")
    assert run("plan") == 0
    assert "Before it plans, apply builds metrics-server (about 2 min of CPU)." in capsys.readouterr().out


@pytest.fixture
def versions(monkeypatch):
    """This version of anywhere knows five minor versions."""
    minors = ("1.35", "1.36", "1.37", "1.38", "1.39")
    monkeypatch.setattr(fields, "NEWEST", {minor: f"v{minor}.0" for minor in minors})


def upgrade(definition, version):
    definition.write_text(DEFINITION + f"  kubernetes: {{version: {version}}}\n")


@pytest.mark.parametrize("version", ["v1.37.1", "v1.36.9"])
def test_no_step_back_unasked(path, definition, versions, built, version, capsys):
    upgrade(definition, version)
    before = path.read_bytes()
    for verb in (("plan",), ("apply", "--yes"), ("render",), ("images", "lock")):
        assert run(*verb) == 1 and path.read_bytes() == before
        assert "run `anywhere images lock --allow-downgrade`.\n" in capsys.readouterr().err
    assert run("images", "lock", "--allow-downgrade") == 0 and lock.read(path).kubernetes == version
    assert f"kubernetes: v1.37.2 -> {version}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("version", "skipped"), [("v1.39.0", "v1.38"), ("v1.38.3", "")])
def test_no_minor_version_is_skipped(path, definition, versions, built, version, skipped, capsys):
    upgrade(definition, version)
    before = path.read_bytes()
    assert run("images", "lock") == bool(skipped)
    if skipped:
        assert f"An upgrade from v1.37.2 to {version} leaves out {skipped}." in capsys.readouterr().err
        assert path.read_bytes() == before


def test_images_lock_does_not_overwrite_what_another_command_wrote_meanwhile(path, nowhere, monkeypatch, capsys):
    def resolve(wanted, *rest):
        lock.write(path, replace(lock.read(path), blocks={"general": 0, "other": 1}))
        return {name: replace(image, id=f"sha256:{'e' * 64}") for name, image in pinned(wanted).items()}

    monkeypatch.setattr(lock_file.image_cache, "resolve", resolve)
    assert run("images", "lock") == 1
    assert "cluster.lock.yaml was changed by somebody else meanwhile." in capsys.readouterr().err
    assert lock.read(path).blocks == {"general": 0, "other": 1}


def test_images_lock_says_what_moved_and_else_writes_nothing(path, nowhere, built, monkeypatch, capsys):
    assert run("images", "lock") == 0
    assert capsys.readouterr().out == "local zones: a\nWrote cluster.lock.yaml.\n"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert run("images", "lock") == 0 and capsys.readouterr().out == "Nothing moved.\n"
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before

    def newer(wanted, *rest):
        images = pinned(wanted)
        return images | {"etcd": replace(images["etcd"], id="sha256:" + "d" * 64)}

    monkeypatch.setattr(lock_file.image_cache, "resolve", newer)
    monkeypatch.setattr(nowhere, "base", lambda progress: Base("debian-archive", "e" * 64), raising=False)
    assert run("images", "lock") == 0
    assert capsys.readouterr().out.splitlines() == [
        "image etcd (amd64): v3.6.16 aaaaaaaaaaaa from build -> v3.6.16 dddddddddddd from build",
        "machine image: debian-archive cccccccccccc -> debian-archive eeeeeeeeeeee",
        "Wrote cluster.lock.yaml.",
    ]


def test_images_lock_keeps_addresses_and_secrets_of_a_cluster(path, definition, built):
    kept = lock.read(path)
    lock.write(path, replace(kept, blocks={"gone": 0, "general": 4}))
    assert run("images", "lock") == 0
    assert lock.read(path).blocks == {"gone": 0, "general": 4} and lock.read(path).secrets == kept.secrets


def test_images_lock_keeps_the_driver_and_the_region(path, nowhere, definition, built, monkeypatch, capsys):
    definition.write_text(DEFINITION + "  network: {driver: weave}\n")
    before = path.read_bytes()
    assert run("images", "lock") == 1 and path.read_bytes() == before
    assert "The network driver is flannel in the lock and weave in cluster.yaml" in capsys.readouterr().err
    definition.write_text(DEFINITION)
    lock.write(path, replace(lock.read(path), facts={"local": {"region": "here"}}))
    before = path.read_bytes()
    monkeypatch.setattr(nowhere, "facts", lambda definition: {"region": "there"}, raising=False)
    assert run("images", "lock") == 1 and path.read_bytes() == before
    assert "The region of local is here in the lock, and would be there" in capsys.readouterr().err


def test_before_the_first_apply_driver_and_region_are_free(path, nowhere, definition, built, monkeypatch):
    lock.write(path, replace(lock.read(path), facts={"local": {"region": "here"}}, secrets=None))
    (definition.parent / "cluster.secrets.age").unlink()
    definition.write_text(DEFINITION + "  network: {driver: weave}\n")
    monkeypatch.setattr(nowhere, "facts", lambda definition: {"region": "there"}, raising=False)
    assert run("images", "lock") == 0
    assert (lock.read(path).driver, lock.read(path).facts) == ("weave", {"local": {"region": "there"}})


def test_an_image_on_this_computer_is_foreseen_as_it_is(path, definition, unbuilt, monkeypatch):
    new(definition)
    images = pinned(lock_file.catalog.wanted("v1.37.2", "flannel"))
    monkeypatch.setattr(resolution.image_cache, "held", lambda wanted, *rest: images[wanted.name])
    assert run("plan") == 0


def test_images_lock_brings_updates_and_only_that(path, definition, built, monkeypatch, capsys):
    monkeypatch.setattr(packages, "resolve_updates", lambda os, arch, *rest: UPDATES)
    assert run("plan") == 0 and lock.read(path).updates == {}
    assert run("images", "lock") == 0 and lock.read(path).updates == {"amd64": UPDATES}
    assert "update of openssl (amd64): 3.5.4-1\n" in capsys.readouterr().out
    definition.write_text(DEFINITION + "  os: {updates: none}\n")
    assert run("plan") == 0 and lock.read(path).updates == {"amd64": UPDATES}
    assert run("images", "lock") == 0 and lock.read(path).updates == {}
    assert "update of openssl (amd64): 3.5.4-1 is no longer needed\n" in capsys.readouterr().out
