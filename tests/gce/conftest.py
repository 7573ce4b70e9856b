"""Google's APIs, served by us for all tests and emptied before each; the client libraries are the real ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from generator import topology
from generator.definition import Definition
from generator.schema.targets import Gce
from generator.sections import Local, Sections
from providers.gce import preflight
from providers.gce import session as sessions
from providers.gce.session import Session
from tests.gce.cloud import PROJECT, REGION, Cloud, serve
from tests.golden import load


@pytest.fixture(scope="session")
def served():
    cloud = Cloud()
    server = serve(cloud)
    yield cloud
    server.shutdown()
    server.server_close()


@pytest.fixture
def cloud(served, monkeypatch):
    served.reset()
    monkeypatch.setenv(sessions.ENDPOINT, served.url)
    monkeypatch.setattr(sessions, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(sessions, "TRIES_SECONDS", 0.5)
    return served


@pytest.fixture
def session(cloud):
    return Session(PROJECT, REGION)


@pytest.fixture
def existing(cloud):
    """A network of the user's; Google's own services are reached from it."""
    cloud.share()
    return cloud


@pytest.fixture
def define(tmp_path: Path):
    """star-wars in the project, with its `providers.gce` changed by key."""

    def make(**section) -> Definition:
        base = load("star-wars")[0]
        gce = {"project": PROJECT, "region": REGION, "admin_cidrs": ["203.0.113.0/24"], "nat": "one", **section}
        return replace(
            base,
            path=tmp_path / "cluster.yaml",
            providers=Sections(
                Local(machines="vm", egress=True, host_loopback=False, accel="auto"), None, Gce(**gce).section()
            ),
        )

    return make


@pytest.fixture
def looked(session):
    """The checks of a definition, by subject."""

    def look(definition, found=session):
        machines = topology.lay_out(definition, topology.blocks(definition, {}))
        return {check.subject: check for check in preflight.checks(found, definition, machines)}

    return look
