"""writeback.sh: what an apply renewed comes into git, and is never lost."""

from contextlib import contextmanager

import pytest

from generator import agekey, store
from tests.pipelines.ci import git

FILES = ("cluster.lock.yaml", "cluster.secrets.age")
pytestmark = pytest.mark.parametrize("system", ["github"], indirect=True)


@pytest.fixture
def renewed(ci):
    """A checkout in which the store was encrypted to one more person; what both files hold now."""
    folder = ci.checkout("main")
    ci.anywhere(folder, "secrets", "update", ANYWHERE_AGE_RECIPIENTS=agekey.recipient(agekey.new()))
    assert git(folder, "status", "--porcelain", "--untracked-files=no") == "M cluster.secrets.age"
    return folder, {name: (folder / name).read_bytes() for name in FILES}


@contextmanager
def moving(folder, command):
    """Run `command` whenever this checkout is about to push: somebody else is faster."""
    hook = folder / ".git" / "hooks" / "pre-push"
    hook.write_text(f"#!/bin/sh\n{command}\n")
    hook.chmod(0o755)
    yield
    hook.unlink()


def on_main(ci):
    return {name: git_bytes(ci, name) for name in FILES}


def git_bytes(ci, name):
    fresh = ci.checkout("main")
    return (fresh / name).read_bytes()


def assert_on_top_of(message, ci, made):
    """What was made is the newest of main, right after the commit with that message."""
    assert on_main(ci) == made
    ours, theirs = git(ci.remote, "log", "-2", "--format=%s", "main").splitlines()
    assert ours.endswith("[skip ci]") and theirs == message


def test_what_was_renewed_is_pushed_for_others_to_open(ci, renewed, monkeypatch):
    folder, made = renewed
    ci.run(folder, "writeback.sh", with_key=False)
    assert on_main(ci) == made and not (folder / "kept").exists()
    assert git(folder, "log", "-1", "--format=%an %s").endswith("for cluster.yaml on local [skip ci]")
    monkeypatch.setenv("ANYWHERE_AGE_KEY", ci.key.read_text())
    assert store.read(ci.checkout("main") / "cluster.yaml", "quickstart").targets.keys() == {"local"}
    assert "as they were committed" in ci.run(folder, "writeback.sh", with_key=False)


def test_where_main_moved_it_comes_on_top_and_nothing_is_overwritten(ci, renewed):
    folder, made = renewed
    (ci.mine / "notes.txt").write_text("theirs\n")
    ci.push("Before")
    ci.run(folder, "writeback.sh", with_key=False)
    assert_on_top_of("Before", ci, made)


def test_where_main_moves_while_it_pushes_it_tries_again(ci, renewed):
    folder, made = renewed
    faster = f"cd {ci.mine} && [ ! -e more.txt ] && unset GIT_DIR && echo more >more.txt && git add more.txt"
    with moving(folder, f"{faster} && git commit -qm During && git push -q origin main; true"):
        ci.run(folder, "writeback.sh", with_key=False)
    assert_on_top_of("During", ci, made)


def test_what_cannot_be_pushed_is_kept_and_the_job_fails(ci, renewed):
    folder, made = renewed
    hook = ci.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho main is protected >&2\nexit 1\n")
    hook.chmod(0o755)
    before = git(ci.remote, "rev-parse", "main")
    said = ci.run(folder, "writeback.sh", status=1, with_key=False)
    assert "main is protected" in said and "could not be pushed to main." in said
    assert "commit cluster.lock.yaml cluster.secrets.age from the artifact" in said
    assert {name: (folder / "kept" / name).read_bytes() for name in FILES} == made
    assert git(ci.remote, "rev-parse", "main") == before


def test_where_somebody_else_renewed_the_secrets_both_are_kept(ci, renewed):
    folder, made = renewed
    ci.anywhere(ci.mine, "secrets", "update", ANYWHERE_AGE_RECIPIENTS=agekey.recipient(agekey.new()))
    theirs = {name: (ci.mine / name).read_bytes() for name in FILES}
    ci.push("Theirs")
    ci.run(folder, "writeback.sh", status=1, with_key=False)
    assert on_main(ci) == theirs and theirs != made
    assert {name: (folder / "kept" / name).read_bytes() for name in FILES} == made
    assert not (folder / ".git" / "rebase-merge").exists()
