"""Clusters on GCE for tests: each is rendered and applied when it is first asked for."""

import json
import os

import pytest

from tests import clouds, golden
from tests.gce_clusters import CLUSTERS, write

pytest_plugins = ["tests.offline.fixtures"]


@pytest.fixture(scope="session")
def gce_environment(inventing_env, tmp_path_factory):
    secrets = {name: f"secret-of-{name}" for name in golden.COMPONENTS}
    cache = str(tmp_path_factory.mktemp("cache"))
    return {
        **os.environ,
        **inventing_env,
        "TF_VAR_secrets": json.dumps(secrets),
        "TF_VAR_cache": cache,
        "TF_IN_AUTOMATION": "1",
    }


@pytest.fixture(scope="session")
def gce(gce_environment, tmp_path_factory):
    """The clusters above, each made when it is first asked for."""
    made: dict[str, clouds.Applied] = {}

    def get(name: str) -> clouds.Applied:
        if name not in made:
            made[name] = clouds.Applied(write(tmp_path_factory.mktemp("gce") / name, **CLUSTERS[name]), gce_environment)
        return made[name]

    return get
