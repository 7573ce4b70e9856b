"""Fresh secrets of a cluster, and the documents made of them."""

import pytest

from generator import pki
from generator.store import Secrets
from tests.pki.certificates import NOW, SERVICES


@pytest.fixture(scope="session")
def secrets():
    return pki.ensure(Secrets("star-wars"), NOW, SERVICES, ("api.example.com", "203.0.113.7"))


@pytest.fixture(scope="session")
def documents(secrets):
    return pki.documents(secrets)
