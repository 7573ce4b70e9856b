"""Clusters on GCE for tests: each is rendered and applied when it is first asked for."""

import json
import os
from ipaddress import IPv4Network
from pathlib import Path
from unittest import mock

import pytest

import providers
from tests import clouds, golden
from tests.gce_clusters import CLUSTERS

pytest_plugins = ["tests.offline.fixtures"]

MODULE = golden.HERE.parent.parent / "modules" / "gce"
FACTS = {
    "project_number": "123456789012",
    "zones": ["europe-west1-b", "europe-west1-c", "europe-west1-d"],
    "images": {
        arch: f"projects/debian-cloud/global/images/debian-13-trixie-{arch}v20251111" for arch in ("amd64", "arm64")
    },
}
SECTION = {"project": "galaxy-1138", "region": "europe-west1", "admin_cidrs": ["203.0.113.0/24"]}
TYPES = {"small-amd64": "e2-small", "medium-amd64": "e2-medium", "large-amd64": "e2-standard-4"}
TYPES |= {kind.replace("amd64", "arm64"): f"c4a-standard-{cpus}" for kind, cpus in zip(TYPES, (1, 1, 4), strict=True)}


class Adapter:
    """What of a provider's adapter rendering needs."""

    def settings(self, definition, lock):
        section, facts = definition.providers["gce"], lock.facts["gce"]
        known = {"zones": facts["zones"], "project_number": facts["project_number"], "types": TYPES}
        known["load_balancer"] = section.get("load_balancer", definition.masters.count > 1)
        return {key: value for key, value in section.items() if key not in ("sizes", "images", "backend")} | known

    def base_images(self, lock):
        return lock.facts["gce"]["images"]

    def subnets(self, lock):
        return tuple(IPv4Network(subnet["cidr"]) for subnet in lock.facts["gce"].get("subnets", ()))


def write(folder: Path, case: str, **changes) -> Path:
    with (
        mock.patch.dict(clouds.FACTS, gce=FACTS),
        mock.patch.dict(clouds.SECTIONS, gce=SECTION),
        mock.patch.object(providers, "load", lambda name: Adapter()),
    ):
        clouds.write(folder, "gce", case, **changes)
    (folder / "startup-script").write_bytes((MODULE / "startup-script").read_bytes())
    return folder


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
