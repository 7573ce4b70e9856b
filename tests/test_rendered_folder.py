"""The rendered folder on a real file system: what is written, and what is refused as not written by anywhere."""

import io
import os
import tarfile
from pathlib import Path

import golden
import pytest

from generator import render, rendered_folder
from generator.errors import UserError
from generator.rendered_folder import MANIFEST

TREE = {"machines.tf": b"1", "documents/release.json": b"2"}


@pytest.mark.parametrize("target", ["aws", "gce", "local"])
def test_every_file_that_a_target_ships_is_one_that_a_tree_has(target, tmp_path):
    tree = dict(render._module(target))
    for _ in range(2):  # the second write reads the manifest of the first
        rendered_folder.write(tree, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*tree, MANIFEST}


def test_the_first_write_and_the_next(tmp_path):
    folder = tmp_path / "a" / "b"
    rendered_folder.write({"machines.tf": b"1", "documents/x/y.json": b"2"}, folder)
    (folder / "terraform.tfstate").write_text("state")
    (folder / "documents" / "mine").write_text("mine")
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.tf")}
    rendered_folder.write({"machines.tf": b"1", "pools.tf": b"3"}, folder)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found.pop(rendered_folder.MANIFEST) == "machines.tf\npools.tf\n"
    assert found == {"machines.tf": "1", "pools.tf": "3", "terraform.tfstate": "state", "documents/mine": "mine"}
    assert times[folder / "machines.tf"] == (folder / "machines.tf").stat().st_mtime_ns


def test_a_whole_tree_is_written_as_rendered(tmp_path):
    tree = golden.tree("quickstart")
    rendered_folder.write(tree, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in tree} == tree
    name = next(name for name in tree if name.endswith(".tar"))
    with tarfile.open(fileobj=io.BytesIO((tmp_path / name).read_bytes())) as archive:
        assert "agent/__main__.py" in archive.getnames()


def test_a_full_disk_is_the_users_to_mend(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left") as caught:
        rendered_folder.write({"machines.tf": b"1"}, tmp_path)
    assert str(tmp_path) in caught.value.message and "--out" in caught.value.hint


@pytest.mark.parametrize("name", ["machines.tf", "documents/release.json", rendered_folder.MANIFEST])
def test_what_cannot_be_written_is_the_users_to_mend(tmp_path, name):
    """A folder stands where a file should: refused to everyone, root included."""
    (tmp_path / name / "in-the-way").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be written"):
        rendered_folder.write({"machines.tf": b"1", "documents/release.json": b"2"}, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_the_users_to_mend(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        rendered_folder.write({"machines.tf": b"1"}, tmp_path)


def content(folder):
    """Every file below `folder`, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", golden.CASES)
def test_a_manifest_of_every_tree_is_accepted(name, tmp_path):
    rendered_folder.write({**golden.tree(name), ".gitignore": b"x"}, tmp_path)
    rendered_folder.check(tmp_path, {})


LISTED = ("x.tf", "x.tf.json", "unprotect_override.tf")  # Terraform would read them, and no target has them


@pytest.mark.parametrize(
    "name",
    [
        "../../victim",
        "{outside}/victim",
        "documents/../../../victim",
        "documents//etc",
        "terraform.tfstate",
        "kubeconfig",
        *LISTED,
    ],
)
def test_a_manifest_deletes_nothing_that_is_not_of_a_tree(tmp_path, name):
    folder, outside = tmp_path / "a" / "b", tmp_path / "victim"
    rendered_folder.write(TREE, folder)
    for path in (outside, *(folder / name for name in ("terraform.tfstate", "kubeconfig", *LISTED))):
        path.write_text("precious")
    (folder / MANIFEST).write_text(f"machines.tf\n{name.format(outside=tmp_path)}\n")
    before = content(tmp_path)
    for act in (lambda: rendered_folder.check(folder, {}), lambda: rendered_folder.write(TREE, folder)):
        with pytest.raises(UserError, match="is not a file that anywhere writes there"):
            act()
    assert content(tmp_path) == before


@pytest.mark.parametrize("name", ["machines.tf", "documents", "documents/release.json", MANIFEST, "terraform.tfstate"])
def test_a_link_is_neither_read_nor_written_through(tmp_path, name):
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    rendered_folder.write(TREE, folder)
    if name == "documents":
        (folder / "documents").rename(victim)
    else:
        (folder / name).unlink(missing_ok=True)
        victim.write_text("precious")
    (folder / name).symlink_to(victim)
    before = content(tmp_path)
    with pytest.raises(UserError, match="is a link to"):
        rendered_folder.check(folder, {})
    if name != "terraform.tfstate":  # which is never rendered
        with pytest.raises(UserError, match="is a link to"):
            rendered_folder.write({**TREE, "documents/release.json": b"new"}, folder)
    assert content(tmp_path) == before


FOREIGN = ("x.tf", "x.tf.json", "x.tofu", "x.auto.tfvars", "x.auto.tfvars.json", "terraform.tfvars", "override.tf")


@pytest.mark.parametrize("name", [*FOREIGN, "unprotect_override.tf", "x.tftest.hcl", "tests", "terraform.d"])
def test_a_foreign_file_is_refused_by_name(tmp_path, name):
    rendered_folder.write(TREE, tmp_path)
    (tmp_path / name).write_text("anything")
    for act in (lambda: rendered_folder.check(tmp_path, {}), lambda: rendered_folder.write(TREE, tmp_path)):
        with pytest.raises(UserError) as caught:
            act()
        assert caught.value.message.endswith(f": {name}.") and "Move them elsewhere" in caught.value.hint


def test_a_file_that_is_there_while_a_plan_is_made_is_known_by_its_content(tmp_path):
    rendered_folder.write(TREE, tmp_path)
    (tmp_path / "unprotect_override.tf").write_text("ours")
    rendered_folder.check(tmp_path, {"unprotect_override.tf": b"ours"})
    with pytest.raises(UserError, match="unprotect_override"):
        rendered_folder.check(tmp_path, {"unprotect_override.tf": b"other"})


@pytest.mark.parametrize("name", ["variables.tf", ".gitignore", "documents/release.json"])
def test_a_file_of_a_person_is_neither_replaced_nor_deleted(tmp_path, name):
    (tmp_path / "documents").mkdir()
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match="anywhere did not write it") as caught:
        rendered_folder.write({name: b"rendered", "machines.tf": b"1"}, tmp_path)
    assert str(tmp_path / name) in caught.value.message and "--out" in caught.value.hint
    assert content(tmp_path) == {name: b"mine"}


def test_what_an_interrupted_run_wrote_is_written_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rendered_folder.write(TREE, tmp_path)
    rendered_folder.write({"machines.tf": b"new"}, tmp_path)
    assert {name: data for name, data in content(tmp_path).items() if ".new-" not in name} == {
        "machines.tf": b"new",
        MANIFEST: b"machines.tf\n",
    }


def test_a_folder_becomes_again_what_it_was(tmp_path):
    rendered_folder.write(TREE, tmp_path)
    (tmp_path / "terraform.tfstate").write_bytes(b"{}")
    before, known = rendered_folder.contents(tmp_path), snapshot(tmp_path)
    rendered_folder.write({"machines.tf": b"new", "pools.tf": b"more", "user-data/master.yaml": b"more"}, tmp_path)
    rendered_folder.restore(before, tmp_path)
    assert snapshot(tmp_path) == known


def test_a_folder_that_was_not_there_goes_again_unless_it_holds_more(tmp_path):
    folder = tmp_path / "new"
    before = rendered_folder.contents(folder)
    rendered_folder.write(TREE, folder)
    rendered_folder.restore(before, folder)
    assert not folder.exists()
    rendered_folder.write(TREE, folder)
    (folder / ".terraform").mkdir()
    rendered_folder.restore(before, folder)
    assert snapshot(folder) == {}


@pytest.mark.parametrize("before", [{}, {"machines.tf": b"old", "documents/release.json": b"old"}])
def test_a_disk_that_becomes_full_leaves_the_folder_as_it_was(tmp_path, monkeypatch, before):
    folder, written = tmp_path / "folder", []
    if before:
        rendered_folder.write(before, folder)
    known = snapshot(folder) if before else None

    def full_at_last(path, data, *rest):
        written.append(path)
        if data == b"the last":
            raise OSError(28, "No space left on device")
        write(path, data, *rest)

    write = rendered_folder.write_atomic
    monkeypatch.setattr(rendered_folder, "write_atomic", full_at_last)
    with pytest.raises(UserError, match="No space left") as caught:
        rendered_folder.write({"machines.tf": b"new", "pools.tf": b"the last"}, folder)
    assert "two versions" not in caught.value.message and len(written) > 2
    assert (snapshot(folder) if before else folder.exists()) == (known or False)


def test_a_folder_that_cannot_be_put_back_is_said_to_be_mixed(tmp_path, monkeypatch):
    rendered_folder.write(TREE, tmp_path)
    write = rendered_folder.write_atomic

    def full(path, data, *rest):
        if path.name == "release.json":
            raise OSError(28, "No space left on device")
        write(path, data, *rest)

    changed = {"machines.tf": b"new", "documents/release.json": b"new"}
    rendered_folder.write(changed, tmp_path)
    monkeypatch.setattr(rendered_folder, "write_atomic", full)
    with pytest.raises(UserError, match="files of two versions") as caught:
        rendered_folder.restore(TREE, tmp_path)
    assert "anywhere render" in caught.value.hint


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
