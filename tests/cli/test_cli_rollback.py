"""`anywhere rollback`: back to the release before, or nothing at all."""

from dataclasses import replace

import pytest

from generator import lock
from generator.definition import NEWEST, VERSION
from generator.kubernetes_version import same_minor
from generator.lock import Previous, path_beside, read
from tests.cli.target import DEFINITION, run

PATCH = f"{VERSION.rpartition('.')[0]}.0"
WRITTEN = DEFINITION.replace("spec:\n", f"spec:\n  kubernetes: {{version: {VERSION}}}  # ours\n")


@pytest.fixture
def before(nowhere, definition):
    """Record in the lock what the cluster was made of before; the lock."""
    definition.write_text(WRITTEN)

    def record(version, size=1):
        path = path_beside(definition)
        now = read(path)
        images = {arch: {n: replace(i, size=size) for n, i in each.items()} for arch, each in now.images.items()}
        lock.write(path, replace(now, previous=Previous(version, images)))
        return read(path)

    return record


def test_both_releases_change_places(before, definition, capsys):
    assert PATCH != VERSION and same_minor(PATCH, VERSION)
    known = before(PATCH)
    assert run("rollback") == 0
    after = read(path_beside(definition))
    assert (after.kubernetes, after.images) == (known.previous.kubernetes, known.previous.images)
    assert after.previous == Previous(known.kubernetes, known.images)
    assert definition.read_text() == WRITTEN.replace(VERSION, PATCH)
    out = capsys.readouterr().out
    assert f"The cluster is to run Kubernetes {PATCH}" in out and "apply" in out and "--allow-downgrade" in out
    assert run("rollback") == 0
    assert (read(path_beside(definition)), definition.read_text()) == (known, WRITTEN)


def test_a_cluster_without_a_lock_has_nothing_to_go_back_to(definition, capsys):
    assert run("rollback") == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: There is no lock cluster.lock.yaml."
    assert hint.startswith("hint: Run `anywhere apply` first;")
    assert definition.read_text() == DEFINITION


def test_images_go_back_where_the_version_stays(before, definition):
    definition.write_text(DEFINITION)
    known = before(VERSION)
    assert run("rollback") == 0
    assert read(path_beside(definition)).images == known.previous.images and definition.read_text() == DEFINITION


def refused(definition, capsys):
    """What is said by a rollback that writes nothing."""
    both = [path.read_bytes() for path in (definition, path_beside(definition))]
    assert run("rollback") == 1
    assert [path.read_bytes() for path in (definition, path_beside(definition))] == both
    return " ".join(capsys.readouterr().err.split())


def test_a_cluster_without_a_release_before_stays(nowhere, definition, capsys):
    assert "knows no release before this one" in refused(definition, capsys)


def test_a_minor_version_is_not_taken_back(before, definition, capsys):
    """An older one does not read all that the newer wrote."""
    before(NEWEST["1.36"])
    said = refused(definition, capsys)
    assert f"Kubernetes {VERSION} cannot go back to {NEWEST['1.36']}" in said and "anywhere etcd list" in said


def test_a_version_that_is_not_written_down_is_not_replaced(before, definition, capsys):
    definition.write_text(DEFINITION)
    before(PATCH)
    said = refused(definition, capsys)
    assert "gives no Kubernetes version" in said and f"Write version: {VERSION} under spec.kubernetes" in said


def test_the_ends_of_lines_stay(before, definition):
    before(PATCH)
    written = WRITTEN.replace("\n", "\r\n").encode()
    definition.write_bytes(written)
    assert run("rollback") == 0
    assert definition.read_bytes() == written.replace(VERSION.encode(), PATCH.encode())


def test_a_definition_and_a_lock_that_are_links_stay_so(before, definition, home):
    before(PATCH)
    (home / "kept").mkdir()
    for path in (definition, path_beside(definition)):
        path.rename(home / "kept" / path.name)
        path.symlink_to(home / "kept" / path.name)
    (home / "kept" / definition.name).chmod(0o600)
    assert run("rollback") == 0
    assert definition.is_symlink() and path_beside(definition).is_symlink()
    assert (home / "kept" / definition.name).read_text() == WRITTEN.replace(VERSION, PATCH)
    assert (home / "kept" / definition.name).stat().st_mode & 0o777 == 0o600
    assert lock.read(home / "kept" / path_beside(definition).name).kubernetes == PATCH


def test_one_that_was_interrupted_between_its_files_goes_on(before, definition, monkeypatch):
    before(PATCH)
    with monkeypatch.context() as patch:
        patch.setattr(lock, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run("rollback") == 130 and PATCH in definition.read_text()
    assert run("rollback") == 0
    assert PATCH in definition.read_text() and read(path_beside(definition)).kubernetes == PATCH
