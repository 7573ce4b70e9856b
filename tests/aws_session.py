"""The command line towards an AWS that is not there: fixtures for tests."""

import pytest

from tests import cloud_session

pytest_plugins = ["tests.offline.fixtures"]


@pytest.fixture
def session(tmp_path, monkeypatch, capfd):
    return cloud_session.make(tmp_path, "aws", monkeypatch, capfd)


@pytest.fixture
def amazon(monkeypatch):
    """Point this process at the stand-ins."""
    return lambda environment: cloud_session.use("aws", environment, monkeypatch)
