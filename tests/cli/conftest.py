"""A user who has nothing yet, a definition, and a cluster that is there at once."""

import io
import json

import pytest

from generator import lock, packages, pki, render, store
from generator.cli.phases import show
from generator.definition import Definition
from generator.images import catalog
from generator.lock import Base, Lock
from generator.operations import artifacts, project, secrets_update
from generator.schema import load
from tests.cli.target import DEFINITION, MAIN, WORKS, Nowhere, pinned
from tests.test_kubernetes import Api, serve


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has nothing yet."""
    for name in (
        "ANYWHERE_AGE_KEY",
        "ANYWHERE_AGE_RECIPIENTS",
        "ANYWHERE_PROVIDER",
        "ANYWHERE_YES",
        "ANYWHERE_IMAGES",
        "ANYWHERE_DEBUG",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def definition(home):
    path = home / "cluster.yaml"
    path.write_text(DEFINITION)
    return path


@pytest.fixture(autouse=True)
def nothing_newer(monkeypatch):
    """Debian's archive has nothing newer than machines have."""
    monkeypatch.setattr(packages, "resolve_updates", lambda *args: None)


@pytest.fixture
def nowhere(definition, monkeypatch):
    """A cluster with a lock, on a target that is there at once, and an API that knows its nodes."""
    target = Nowhere()
    monkeypatch.setattr(project, "load", lambda name: target)
    monkeypatch.setattr(artifacts, "fetch", lambda *args: None)
    loaded: Definition = load(definition)
    images = pinned(catalog.wanted(loaded.kubernetes, "flannel"))
    lock.write(
        lock.path_beside(definition),
        Lock(
            *(loaded.kubernetes, "flannel", {"amd64": images}),
            base=Base("debian-archive", "c" * 64),
            blocks={"general": 0},
            facts={"local": {}},
            founders={"local": ("master1",)},
        ),
    )
    opened = project.open_project(definition, "local", None)
    secrets_update.run(opened, show(io.StringIO()))
    secrets = store.read(definition, "quickstart").targets["local"]
    server = serve(pki.documents(secrets)["kube-apiserver"], definition.parent)
    answers = {path: json.dumps(answer).encode() for path, answer in WORKS.items()}
    monkeypatch.setattr(Api, "answers", Api.answers | answers)
    text = MAIN.replace("URL", f"https://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(target, "main", text, raising=False)
    monkeypatch.setattr(render, "tree", lambda *args: {"machines.tf": target.main.encode()})
    yield target
    server.shutdown()
    server.server_close()
