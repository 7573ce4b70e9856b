"""A cluster that is committed, and a runner of GitHub's and of GitLab's for its repository."""

import io
import json

import pytest

from generator import agekey, lock, packages, pki, schema, store
from generator.cli.phases import show
from generator.images import catalog
from generator.lock import Base, Lock
from generator.operations import project, secrets_update
from tests.cli.target import DEFINITION, MAIN, WORKS, Nowhere, pinned
from tests.pipelines.ci import SYSTEMS, Ci
from tests.pipelines.forge import Forge, serve
from tests.test_kubernetes import Api
from tests.test_kubernetes import serve as serve_api


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A definition with its lock, its secrets, and the key that opens them: the pipeline's own."""
    folder = tmp_path_factory.mktemp("cluster")
    definition = folder / "cluster.yaml"
    definition.write_text(DEFINITION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("ANYWHERE_CACHE", str(folder / "cache"))
        patch.setattr(packages, "resolve_updates", lambda *args: None)
        patch.setattr(project, "load", lambda name: Nowhere())
        loaded = schema.load(definition)
        images = pinned(catalog.wanted(loaded.kubernetes, "flannel"))
        base, facts = Base("debian-archive", "c" * 64), {"local": {}}
        known = Lock(
            loaded.kubernetes, "flannel", {"amd64": images}, base, {"general": 0}, facts, founders=("master1",)
        )
        lock.write(lock.path_beside(definition), known)
        agekey.load_or_make()
        secrets_update.run(project.open_project(definition, "local", None), show(io.StringIO()))
        (folder / "age.key").write_text(agekey.default_path().read_text())
        secrets = store.read(definition, "quickstart").targets["local"]
    return folder, pki.documents(secrets)["kube-apiserver"]


@pytest.fixture
def forge():
    with serve(Forge()) as served:
        yield served


@pytest.fixture(params=SYSTEMS)
def system(request):
    return request.param


@pytest.fixture
def ci(tmp_path, system, forge, cluster, monkeypatch):
    """A runner for the repository of a cluster that was never applied."""
    folder, document = cluster
    (tmp_path / "api").mkdir()
    server = serve_api(document, tmp_path / "api")
    monkeypatch.setattr(Api, "answers", Api.answers | {path: json.dumps(said).encode() for path, said in WORKS.items()})
    runner = Ci(tmp_path, system, forge, folder)
    runner.place.mkdir()
    (runner.place / "main.tf").write_text(MAIN.replace("URL", f"https://127.0.0.1:{server.server_port}"))
    yield runner
    server.shutdown()
    server.server_close()


@pytest.fixture
def change(ci):
    """Have the target want another thing of the machine."""

    def to(value):
        path = ci.place / "main.tf"
        path.write_text(path.read_text().replace('input = "VALUE"', f'input = "{value}"'))

    return to
