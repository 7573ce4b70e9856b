"""A cluster that is committed, and a runner of GitHub's and of GitLab's for its repository."""

import io
import json
import shutil
from copy import deepcopy

import pytest

from generator import agekey, lock, packages, pki, schema, store
from generator.cli.phases import show
from generator.images import catalog
from generator.lock import Base, Lock
from generator.operations import project, secrets_update
from tests.cli.target import DEFINITION, MAIN, WORKS, Nowhere, pinned
from tests.pipelines.ci import REMARK, SYSTEMS, Ci
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
            loaded.kubernetes,
            "flannel",
            {"amd64": images},
            base,
            {"general": 0},
            facts,
            founders={"local": ("master1",)},
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


@pytest.fixture(scope="session")
def target(cluster, tmp_path_factory):
    """What Terraform applies: the API that it names is of a cluster that works."""
    server = serve_api(cluster[1], tmp_path_factory.mktemp("api"))
    answers = Api.answers | {path: json.dumps(said).encode() for path, said in WORKS.items()}
    server.RequestHandlerClass = type("Works", (Api,), {"answers": answers})
    yield MAIN.replace("URL", f"https://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


@pytest.fixture
def ci(tmp_path, system, forge, cluster, target):
    """A runner for the repository of a cluster that was never applied."""
    return Ci(tmp_path, system, forge, cluster[0], target)


@pytest.fixture(scope="session")
def planned(cluster, target, tmp_path_factory):
    """By system: a runner that has planned the request `remark`, a copy of its folder, and what the service knows.

    It is made once, as a plan takes seconds.
    """
    made = {}

    def by(system):
        if system not in made:
            root = tmp_path_factory.mktemp(system)
            with serve(Forge()) as forge:
                runner = Ci(root, system, forge, cluster[0], target)
                runner.request("remark", cluster_yaml=REMARK)
            copy = tmp_path_factory.mktemp(f"{system}-copy") / "root"
            made[system] = runner, shutil.copytree(root, copy, symlinks=True), forge
        return made[system]

    return by


@pytest.fixture
def reviewed(planned, system, forge):
    """A runner whose request 3, the branch `remark`, has its plan in a comment; nothing happened since.

    The plan has paths of the folder in it, so that is put back instead of being copied to another place.
    """
    runner, copy, known = planned(system)
    shutil.rmtree(runner.root)
    shutil.copytree(copy, runner.root, symlinks=True)
    forge.comments, forge.plans = deepcopy(known.comments), dict(known.plans)
    runner.forge = forge
    return runner
