"""`anywhere kubeconfig --merge`: into the file of a user who has other clusters."""

import json
import os
import stat

import pytest
from ruamel.yaml import YAML

from generator.operations import user_kubeconfig
from tests.cli.target import run

OURS = "quickstart-local"
THEIRS = """\
# mine, do not touch
apiVersion: v1
kind: Config
preferences: {colors: yes}
current-context: work
clusters:
  - name: work   # the office
    cluster:
      server: "https://work.example.com:6443"
      insecure-skip-tls-verify: no
users:
  - name: me
    user: {token: 0123e45, exec: null}
contexts:
  - name: work
    context: {cluster: work, user: me, namespace: ~}
"""


@pytest.fixture
def config(nowhere, home, monkeypatch):
    """The user's own file, once the cluster was applied."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert run("apply", "--yes", "--timeout", "20") == 0
    path = home / ".kube" / "config"
    path.parent.mkdir()
    return path


def merge():
    return run("kubeconfig", "--merge")


def loaded(path):
    return YAML(typ="safe", pure=True).load(path.read_text())


def named(path):
    return {kind: [entry["name"] for entry in loaded(path)[kind]] for kind in ("clusters", "contexts", "users")}


def test_nothing_of_the_users_is_disturbed(config, capsys):
    config.write_text(THEIRS)
    config.chmod(0o644)
    assert merge() == 0
    assert f"To use it: kubectl config use-context {OURS}" in capsys.readouterr().out
    assert named(config) == {"clusters": ["work", OURS], "contexts": ["work", OURS], "users": ["me", OURS]}
    text = config.read_text()
    lines = [line.split() for line in text.splitlines()]  # only how far they are indented changes
    assert [line for line in THEIRS.splitlines() if line.split() not in lines] == []
    assert loaded(config)["current-context"] == "work" and stat.S_IMODE(config.stat().st_mode) == 0o600
    assert merge() == 0 and config.read_text() == text
    assert sorted(path.name for path in config.parent.iterdir()) == ["config"]


def test_what_was_ours_is_replaced_in_its_place(config, home):
    config.write_text(THEIRS.replace("name: work", f"name: {OURS}").replace("context: work", f"context: {OURS}"))
    assert merge() == 0
    assert named(config)["clusters"] == named(config)["contexts"] == [OURS]
    rendered = loaded(home / ".anywhere" / OURS / "kubeconfig")
    assert loaded(config)["clusters"] == rendered["clusters"]


@pytest.mark.parametrize(
    "text",
    [None, "", "apiVersion: v1\nkind: Config\nclusters: null\nusers:\ncontexts: []\ncurrent-context: ''\n", "{}"],
)
def test_without_a_current_context_ours_becomes_it(config, text, capsys):
    if text is not None:
        config.write_text(text)
    assert merge() == 0
    assert f"its current context is {OURS}" in capsys.readouterr().out
    assert loaded(config)["current-context"] == OURS and named(config)["users"] == [OURS]


def test_json_is_a_kubeconfig_too(config):
    config.write_text(json.dumps(YAML(typ="safe", pure=True).load(THEIRS)))
    assert merge() == 0 and named(config)["clusters"] == ["work", OURS]


@pytest.mark.parametrize(
    "text",
    ["clusters: [", "- a\n", "kind: Pod\n", "clusters: {}\n", "users: [{user: {}}]\n", "a\x00b", "{a: b}: [\n"],
)
def test_a_damaged_file_is_refused_untouched(config, text, capsys):
    config.write_text(text)
    assert merge() == 1 and config.read_text() == text
    assert f"{config} is not a kubeconfig: " in capsys.readouterr().err
    assert [path.name for path in config.parent.iterdir()] == ["config"]


def test_of_several_files_the_first_that_exists_is_changed(config, home, monkeypatch):
    first, second, third = (home / name for name in ("a", "b", "c"))
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}:{third}")
    assert merge() == 0 and third.exists() and not first.exists() and not config.exists()
    third.unlink()
    second.write_text("kind: Config\n")
    third.write_text(THEIRS)
    assert merge() == 0
    assert "current-context" not in loaded(second)  # kubectl takes that of the third
    assert named(second)["users"] == [OURS] and third.read_text() == THEIRS


def test_a_link_stays_a_link(config, home):
    real = home / "real"
    real.write_text(THEIRS)
    config.symlink_to(real)
    assert merge() == 0 and config.is_symlink() and named(real)["users"] == ["me", OURS]


def test_what_is_no_file_is_refused(config, capsys):
    """As root, a device would be replaced by a file."""
    os.mkfifo(config)
    assert merge() == 1 and config.is_fifo()
    assert f"{config} is not a regular file." in capsys.readouterr().err


def test_a_file_that_kubectl_is_changing_is_left_alone(config, capsys):
    config.write_text(THEIRS)
    lock = config.with_name("config.lock")
    lock.touch()
    assert merge() == 1 and config.read_text() == THEIRS and lock.exists()
    assert f"If none is, delete {lock}." in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_file(config, monkeypatch, capsys):
    config.write_text(THEIRS)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(user_kubeconfig, "rewrite", full)
    assert merge() == 1 and config.read_text() == THEIRS
    assert "No space left on device" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_named(config, home, monkeypatch, capsys):
    config.write_text(THEIRS)
    monkeypatch.setenv("KUBECONFIG", f"{config}:{home}")
    assert merge() == 1 and config.read_text() == THEIRS
    assert f"{home} cannot be read: Is a directory." in capsys.readouterr().err


@pytest.mark.parametrize("path", ["file/config", "file/folder/config"])
def test_a_folder_that_is_a_file_is_named(config, home, path, monkeypatch, capsys):
    (home / "file").touch()
    monkeypatch.setenv("KUBECONFIG", str(home / path))
    assert merge() == 1
    assert f"error: {home}/file is not a folder." in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(config, monkeypatch, capsys):
    monkeypatch.setenv("KUBECONFIG", "/proc/none/config")
    assert merge() == 1
    assert "/proc/none cannot be made: No such file or directory." in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("--user", "jane")])
def test_a_rendered_folder_that_is_a_file_is_named(nowhere, home, words, capsys):
    (home / "file").touch()
    for out in ("file", "file/folder"):
        assert run("kubeconfig", *words, "--out", out) == 1
        assert f"{home}/{out} is not a folder." in capsys.readouterr().err


def test_a_file_that_cannot_be_locked_is_left_alone(config, monkeypatch, capsys):
    """The name of kubectl's lock is longer than that of the file."""
    long = config.with_name("c" * 253)
    long.write_text(THEIRS)
    monkeypatch.setenv("KUBECONFIG", str(long))
    assert merge() == 1 and long.read_text() == THEIRS
    assert "cannot be locked: File name too long." in capsys.readouterr().err
