"""Fixtures for tests against the stand-ins: `from tests.offline.fixtures import offline_env`."""

from collections.abc import Iterator, Mapping

import pytest

from tests.offline import offline


@pytest.fixture(scope="session")
def offline_env() -> Iterator[Mapping[str, str]]:
    """The environment for Terraform and boto3 with every apply refused."""
    with offline() as environment:
        yield environment


@pytest.fixture(scope="session")
def inventing_env() -> Iterator[Mapping[str, str]]:
    """The same, where an apply makes resources up in Terraform's state."""
    with offline("invent") as environment:
        yield environment
