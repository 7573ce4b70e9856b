"""`anywhere kubeconfig --user`: one name per person, and nothing of it is kept."""

import stat

import pytest
from ruamel.yaml import YAML

from tests.cli.target import run
from tests.cli.test_cli_kubeconfig import OURS, config, named  # noqa: F401 (a fixture)

ALICE = f"alice@{OURS}"


def tree(folder):
    return {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def folder(config, home):  # noqa: F811
    return home / ".anywhere" / OURS


def test_a_person_gets_a_file_of_their_own(folder, home, capsys):
    before, admin = tree(home), (folder / "kubeconfig").read_bytes()
    capsys.readouterr()
    assert run("kubeconfig", "--user", "alice", "--group", "developers", "--group", "on-call", "--ttl", "1h") == 0
    said = capsys.readouterr()
    path = folder / "alice.kubeconfig"
    assert said.out == f"export KUBECONFIG={path}\n"
    assert "alice, in developers, on-call, until 20" in said.err and " UTC." in said.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert YAML(typ="safe").load(path.read_text())["current-context"] == ALICE
    assert (folder / "kubeconfig").read_bytes() == admin
    assert tree(home) == before, "neither the lock nor the store may change"


def test_git_takes_none_of_them(folder, home):
    assert run("kubeconfig", "--user", "alice") == 0
    assert "*kubeconfig*" in (folder / ".gitignore").read_text().splitlines()


def test_it_is_merged_beside_the_administrators(config, capsys):  # noqa: F811
    assert run("kubeconfig", "--merge") == 0
    assert run("kubeconfig", "--user", "alice", "--merge") == 0
    assert f"To use it: kubectl config use-context {ALICE}" in capsys.readouterr().out
    assert named(config) == {"clusters": [OURS], "contexts": [OURS, ALICE], "users": [OURS, ALICE]}
    text = config.read_text()
    assert run("kubeconfig", "--user", "alice", "--merge") == 0
    assert named(config)["users"] == [OURS, ALICE] and config.read_text() != text


def test_what_is_not_hers_is_not_replaced(folder, capsys):
    path = folder / "alice.kubeconfig"
    path.write_text('current-context: "work"\n')
    assert run("kubeconfig", "--user", "alice") == 1 and path.read_text() == 'current-context: "work"\n'
    assert "Move it elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--user", "system:admin"), "keeps for its own parts"),
        (("--user", "alice", "--group", "system:masters"), "Bind a group of your own to cluster-admin"),
        (("--user", "alice", "--ttl", "25h"), "lives 1m to 24h, not 25h"),
        (("--user", ""), "is not a name for a person"),
        (("--group", "developers"), "Add --user NAME."),
        (("--ttl", "8h"), "Add --user NAME."),
    ],
)
def test_what_is_refused_writes_nothing(folder, words, said, capsys):
    before = tree(folder)
    assert run("kubeconfig", *words) == 1
    assert said in capsys.readouterr().err and tree(folder) == before


def test_without_the_age_key_nobody_is_issued_anything(folder, home, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "other"))
    assert run("kubeconfig", "--user", "alice") == 1
    assert not (folder / "alice.kubeconfig").exists() and "key" in capsys.readouterr().err


def test_before_the_first_apply_there_is_no_way_in(nowhere, capsys):
    assert run("kubeconfig", "--user", "alice") == 1
    assert "Run `anywhere apply` first." in capsys.readouterr().err
