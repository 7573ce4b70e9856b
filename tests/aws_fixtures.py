"""Clusters on AWS for tests: each is rendered and applied when it is first asked for."""

import pytest

from tests import clouds
from tests.aws_clusters import CLUSTERS

pytest_plugins = ["tests.offline.fixtures"]


@pytest.fixture(scope="session")
def aws_environment(inventing_env, tmp_path_factory):
    return clouds.environment(inventing_env, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def aws(aws_environment, tmp_path_factory):
    """The clusters above, by name."""
    return clouds.Clusters("aws", CLUSTERS, tmp_path_factory.mktemp("aws"), aws_environment)
