"""A real control plane alone on this computer, of the images in its cache."""

from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from agent import api, host

from benchmarks.rollout import control_plane, place, programs, releases
from generator import addon_catalog, pki
from generator.errors import UserError
from generator.store import Secrets


@contextmanager
def running(folder, addons=("dns",)):
    """One whose certificates are good for these add-ons: its `place`, and the `secrets` that it was made with.

    The agent asks it. The test is skipped where an image is missing.
    """
    for name in ("etcd", "hyperkube"):
        try:
            programs.newest(name)
        except UserError as error:
            pytest.skip(f"{error} {error.hint}")
    where = place.choose(folder)
    definition = releases.definition(1, addons)
    services = definition.network.services
    serving = addon_catalog.served(addons, services)
    secrets = pki.ensure(Secrets("real"), datetime.now(UTC), services, serving=serving)
    release = host.release(releases.first(definition))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "NAME", place.HOST)
        patch.setattr(api, "PORT", where.api)
        with control_plane.running(where, release, secrets):
            yield SimpleNamespace(place=where, secrets=secrets)
