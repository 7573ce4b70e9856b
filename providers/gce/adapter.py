"""What the CLI asks of Google Compute Engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.definition import Definition
from generator.lock import Lock
from generator.progress import Progress
from generator.site import Site
from generator.topology import Topology
from providers import Addresses, Check, Observed, Stored, cloud
from providers.cloud import Cloud
from providers.gce import disks, section
from providers.gce.machines import Consoles
from providers.gce.session import Session


class Gce(Cloud):
    """The adapter of the target `gce`. It keeps its clients and what consoles said between calls."""

    name = "gce"
    identity = ("project", "project_number", "region")
    addresses = Addresses(
        machine="google_compute_instance.machine",
        etcd_disk="google_compute_disk.etcd",
        document="google_storage_bucket_object.document",
        upload="google_storage_bucket_object.archive",
        secret="google_secret_manager_secret_version.document",
        pool="google_compute_region_instance_group_manager.pool",
    )
    etcd_disk = disks.ETCD
    poll = 10.0  # a console is a request a machine, and Google counts them by the minute

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str, str], Session] = {}
        self._consoles = Consoles()

    def preflight(self, definition: Definition, topology: Topology) -> tuple[Check, ...]:
        from providers.gce import preflight

        return preflight.checks(self._session(definition), definition, topology)

    def facts(self, definition: Definition) -> Mapping[str, Any]:
        from providers.gce import facts

        return facts.found(self._session(definition), definition)

    def foreseen_facts(self, definition: Definition) -> Mapping[str, Any]:
        from providers.gce import facts

        return facts.foreseen(definition)

    def settings(self, definition: Definition, lock: Lock) -> Mapping[str, Any]:
        from providers.gce import facts

        return facts.settings(definition, lock)

    def site(self, definition: Definition, lock: Lock | None) -> Site:
        from providers.gce import sizes

        gce, groups = section.of(definition), sizes.groups(definition)
        return cloud.site(definition, lock, self.name, gce, section.network_name(definition), groups)

    def backend(self, definition: Definition) -> Mapping[str, Any] | None:
        from providers.gce import backend

        return backend.arguments(definition)

    def has_state(self, definition: Definition) -> bool:
        from providers.gce import backend

        return backend.has_state(self._session(definition), definition)

    def create_backend(self, definition: Definition) -> str:
        from providers.gce import backend

        return backend.create(self._session(definition), definition)

    def observe(self, definition: Definition) -> tuple[Observed, ...]:
        from providers.gce import machines

        session, ssh = self._session(definition), bool(definition.ssh_keys)
        return machines.observe(session, definition.name, self._consoles, ssh=ssh)

    def present(self, definition: Definition) -> tuple[str, ...]:
        from providers.gce import leftovers

        return leftovers.foundation(self._session(definition), definition.name)

    def stored(self, definition: Definition, lock: Lock) -> Stored:
        from providers.gce import stored

        return stored.Stored(self._session(definition), definition.name, str(lock.facts["gce"]["project_number"]))

    def delete_created_by_cluster(self, definition: Definition, progress: Progress) -> None:
        from providers.gce import owned

        session = self._session(definition)
        owned.release(session, owned.scope(session, definition.name, section.network_name(definition)), progress)

    def leftovers(self, definition: Definition) -> tuple[str, ...]:
        from providers.gce import leftovers

        return leftovers.lines(self._session(definition), definition.name, section.network_name(definition))

    def _session(self, definition: Definition) -> Session:
        gce = section.of(definition)
        host = gce.network.project if gce.network else gce.project
        where = (gce.project, gce.region, host)
        return self._sessions.setdefault(where, Session(*where))
