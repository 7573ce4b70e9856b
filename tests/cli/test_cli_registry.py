"""A registry that asks for a login, from the command line: it is asked for, and written nowhere."""

from generator import registry_login
from tests.cli.target import run

PASSWORD = "hunter2-and-more"
LOGIN = "  registry: {mirror: registry.example.com/k8s, login: true}\n"


def test_a_login_that_is_not_set_stops_what_needs_it_before_anything_changes(nowhere, definition, home, capsys):
    definition.write_text(definition.read_text() + LOGIN)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    for verb in (["render"], ["plan"], ["apply", "--yes"], ["images", "lock"], ["env"]):
        assert run(*verb) == 1
        said = capsys.readouterr().err
        assert "registry.example.com asks for a login (spec.registry.login), which the environment lacks." in said
        assert "hint: export ANYWHERE_REGISTRY_USERNAME=... ANYWHERE_REGISTRY_PASSWORD=..." in said
    after = {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file() and ".anywhere-lock" not in path.name
    }
    assert after == before


def test_the_password_is_in_no_file_and_reaches_terraform(nowhere, definition, home, capsys, monkeypatch):
    monkeypatch.setenv(registry_login.USERNAME, "puller")
    monkeypatch.setenv(registry_login.PASSWORD, PASSWORD)
    definition.write_text(definition.read_text() + LOGIN)
    assert run("plan", "--save", str(home / "plan")) == 0
    assert run("apply", "--yes", "--timeout", "20") == 0
    capsys.readouterr()
    assert run("env") == 0
    said = capsys.readouterr().out
    assert registry_login.Login("registry.example.com", "puller", PASSWORD).docker_config()[12:60] in said.replace(
        "\\", ""
    )
    shown = (
        registry_login.Login("registry.example.com", "puller", PASSWORD).docker_config().rpartition(": ")[2].strip('"}')
    )
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if any(w.encode() in path.read_bytes() for w in (PASSWORD, shown))] == []
