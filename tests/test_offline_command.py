"""`python -m tests.offline COMMAND`: a command that finds stand-ins where clouds are."""

import os
import subprocess
import sys

from generator import schema
from tests.offline import __main__ as program


def test_a_command_runs_in_the_environment_and_keeps_its_exit_code():
    script = 'test -n "$TF_REATTACH_PROVIDERS" && test -z "$AWS_PROFILE" && exit 7'
    command = [sys.executable, "-m", "tests.offline", "sh", "-c", script]
    ran = subprocess.run(command, env={**os.environ, "AWS_PROFILE": "mine"}, capture_output=True, text=True)
    assert ran.returncode == 7
    assert ran.stderr.startswith("offline: Terraform providers: ")


def test_the_registrys_own_providers_are_used_where_it_is_reachable(monkeypatch, capfd):
    script = 'test -z "$TF_REATTACH_PROVIDERS" && test -n "$AWS_ENDPOINT_URL"'
    monkeypatch.setattr(program, "registry_is_reachable", lambda: True)
    monkeypatch.setattr(sys, "argv", ["offline", "sh", "-c", script])
    assert program.main() == 0
    assert "the registry's own" in capfd.readouterr().err


def test_a_copy_takes_what_a_command_writes(tmp_path, monkeypatch, capfd):
    mine = tmp_path / "my cluster.yaml"
    mine.write_text("kind: Cluster\n")
    (tmp_path / "my cluster.lock.yaml").write_text("locked: true\n")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    script = """
        cat "$1" "${1%.yaml}.lock.yaml" && echo changed | tee "$1" "${1%.yaml}.lock.yaml" >"$(dirname "$1")/made"
        test "${XDG_CONFIG_HOME#"$(dirname "$1")/"}" = config
    """
    monkeypatch.setattr(program, "registry_is_reachable", lambda: True)
    monkeypatch.setattr(sys, "argv", ["offline", "--copy", str(mine), "sh", "-c", script, "sh", "{}"])
    assert program.main() == 0
    said = capfd.readouterr()
    assert said.out == "kind: Cluster\nlocked: true\n" and "stay as they are" in said.err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_copy_has_the_manifests_of_own_add_ons(tmp_path):
    (tmp_path / "from" / "shop").mkdir(parents=True)
    (tmp_path / "to").mkdir()
    mine = tmp_path / "from" / "cluster.yaml"
    head = "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: a}\n"
    mine.write_text(f"{head}spec: {{workers: {{count: 1}}, addons: [{{name: shop, manifests: shop}}]}}\n")
    (tmp_path / "from" / "shop" / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    copy = program.copied(mine, tmp_path / "to")
    assert schema.load(copy).own_addons[0].objects[0].name == "a"


def test_a_definition_that_is_missing_is_named(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["offline", "--copy", str(tmp_path / "absent.yaml"), "true"])
    assert program.main() == 1
    assert "absent.yaml" in capfd.readouterr().err
