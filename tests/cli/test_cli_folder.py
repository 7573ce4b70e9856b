"""The folder of a cluster, as the verbs use it: what they refuse in it, who holds it, and what stays in it."""

import pytest

from tests.cli.target import run


def content(folder):
    """Every file below `folder`, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", [("render",), ("plan",), ("apply", "--yes"), ("destroy", "--yes"), ("kubeconfig",)])
def test_no_verb_runs_terraform_on_a_foreign_file(nowhere, home, verb, capsys):
    folder = home / "rendered"
    assert run("apply", "--yes", "--timeout", "20", "--out", folder) == 0
    (folder / "x.tf").write_text('output "stolen" {\n  value = "${abspath(path.root)}"\n}\n')
    before = content(folder)
    assert run(*verb, "--out", folder) == 1
    assert f"Terraform would read what anywhere did not write in {folder}: x.tf." in capsys.readouterr().err
    assert content(folder) == before
