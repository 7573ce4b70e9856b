"""What the CLI asks of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.definition import Definition
from generator.lock import Lock
from generator.progress import Progress
from generator.site import Site
from generator.topology import Topology
from providers import Addresses, Check, Observed, Stored, cloud
from providers.aws import section
from providers.aws.machines import Consoles
from providers.aws.session import Session
from providers.cloud import Cloud


class Aws(Cloud):
    """The adapter of the target `aws`. It keeps its clients and what consoles said between calls."""

    name = "aws"
    identity = ("region", "account")
    addresses = Addresses(
        machine="aws_instance.machine",
        etcd_disk="aws_ebs_volume.etcd",
        document="aws_s3_object.document",
        upload="aws_s3_object.archive",
        secret="aws_secretsmanager_secret_version.document",
        pool="aws_autoscaling_group.pool",
    )
    poll = 3.0  # a look may take some 25 requests for consoles, and EC2 grants about 20 a second

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._consoles = Consoles()

    def preflight(self, definition: Definition, topology: Topology) -> tuple[Check, ...]:
        from providers.aws import preflight

        return preflight.checks(self._session(definition), definition, topology)

    def facts(self, definition: Definition) -> Mapping[str, Any]:
        from providers.aws import facts

        return facts.found(self._session(definition), definition)

    def foreseen_facts(self, definition: Definition) -> Mapping[str, Any]:
        from providers.aws import facts

        return facts.foreseen(definition)

    def settings(self, definition: Definition, lock: Lock) -> Mapping[str, Any]:
        from providers.aws import facts

        return facts.settings(definition, lock)

    def site(self, definition: Definition, lock: Lock | None) -> Site:
        from providers.aws import sizes

        aws, groups = section.of(definition), sizes.groups(definition)
        balancer = "Internal load balancer" if aws.vpc and not aws.vpc.public_subnets else "Load balancer"
        return cloud.site(definition, lock, self.name, aws, section.vpc_id(definition), groups, balancer)

    def backend(self, definition: Definition) -> Mapping[str, Any] | None:
        from providers.aws import backend

        return backend.arguments(definition)

    def has_state(self, definition: Definition) -> bool:
        from providers.aws import backend

        return backend.has_state(self._session(definition), definition)

    def create_backend(self, definition: Definition) -> str:
        from providers.aws import backend

        return backend.create(self._session(definition), definition)

    def observe(self, definition: Definition) -> tuple[Observed, ...]:
        from providers.aws import machines

        session, ssh = self._session(definition), bool(definition.ssh_keys)
        return machines.observe(session, definition.name, self._consoles, ssh=ssh)

    def present(self, definition: Definition) -> tuple[str, ...]:
        from providers.aws import leftovers

        return leftovers.foundation(self._session(definition), definition.name)

    def stored(self, definition: Definition, lock: Lock) -> Stored:
        from providers.aws import stored

        return stored.Stored(self._session(definition), definition.name, str(lock.facts["aws"]["account"]))

    def delete_created_by_cluster(self, definition: Definition, progress: Progress) -> None:
        from providers.aws import owned, pools

        session = self._session(definition)
        pools.hasten(session, definition.name)
        owned.release(session, owned.scope(session, definition.name, section.vpc_id(definition)), progress)

    def leftovers(self, definition: Definition) -> tuple[str, ...]:
        from providers.aws import leftovers

        return leftovers.lines(self._session(definition), definition.name, section.vpc_id(definition))

    def _session(self, definition: Definition) -> Session:
        region = section.of(definition).region
        return self._sessions.setdefault(region, Session(region))
