"""Whether Google will let the cluster come about, asked before anything is changed: a line for each thing looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from generator import lock as locks
from generator.definition import Definition
from generator.errors import UserError
from generator.topology import Topology
from providers import Check, placement
from providers import checks as checking
from providers.gce import backend, egress, images, keys, network, project, quotas, regions, section, sizes, types, zones
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last
from providers.placement import Placement

APIS = ("compute", "secretmanager", "storage", "iam")


@dataclass(frozen=True)
class Plan:
    """What is asked about. `facts` are those of the lock, {} where it has none of Google yet.

    What several probes need is asked for once.
    """

    session: Session
    definition: Definition
    topology: Topology
    facts: Mapping[str, Any]

    @cached_property
    def number(self) -> str:
        """The project's, as the definition or the lock has it, else as Google says."""
        given = section.of(self.definition).project_number or self.facts.get("project_number")
        return given or project.number(self.session)

    @cached_property
    def placement(self) -> Placement:
        return placement.locked(self.facts) if self.facts else zones.chosen(self.session, self.definition)

    @cached_property
    def kinds(self) -> quotas.Kinds:
        return types.described(self.session, self.definition, self.placement.zones)

    @cached_property
    def new(self) -> quotas.New:
        return quotas.new(self.session, self.definition)

    @cached_property
    def routes(self) -> list[Any]:
        """Those of a network that was there."""
        return network.routes(self.session, section.network(self.definition).name)


Probe = checking.Probe[Plan]


def checks(session: Session, definition: Definition, topology: Topology) -> tuple[Check, ...]:
    """All of them; the first ones alone where there is nobody to ask. Read-only."""
    plan = Plan(session, definition, topology, checking.facts(definition, "gce"))
    first = (("credentials", _credentials), ("project", _project), ("region", _region))
    return checking.run(plan, first, _probes, _unanswered)


def _unanswered(error: UserError) -> bool:
    """Whether the cloud did not answer, so that nothing is known."""
    return isinstance(error, GoogleError) and (error.denied or error.passing)


def _probes(plan: Plan) -> Iterator[tuple[str, Probe]]:
    """What there is to check for this definition."""
    yield from (("APIs", _apis), ("name", _name), ("types", _types), ("zones", _zones), ("machine images", _images))
    yield from (("CPU quota", _cpus), ("region's quotas", _quotas), ("project's quotas", _project_quotas))
    if key := section.of(plan.definition).kms_key:
        yield "key", lambda plan: keys.usable(plan.session, key, plan.number)
    if section.of(plan.definition).network:
        yield from (("network", _network), ("way out", _way_out), ("ranges", _ranges), ("fixed addresses", _addresses))
    else:
        yield "network", _own_network
    if backend.arguments(plan.definition):
        yield from (("state bucket", _bucket), ("state lock", _lock))


def _credentials(plan: Plan) -> str:
    return plan.session.who()


def _project(plan: Plan) -> str:
    given = section.of(plan.definition).project_number
    wanted = given or plan.facts.get("project_number")
    try:
        found = project.number(plan.session)
    except UserError as error:
        if wanted and not isinstance(error, GoogleError):
            raise checking.Uncertain(
                error.message, error.hint
            ) from None  # who knows its number need not be allowed to look
        raise
    if wanted and wanted != found:
        file = "definition" if given else "lock"
        raise UserError(
            f"Project {plan.session.project} has the number {found}, and the {file} has {wanted}.",
            f"Fix providers.gce. If the cluster was never applied, you can refresh the lock: {locks.RELOCK}.",
        )
    return f"{plan.session.project}, number {found}"


def _region(plan: Plan) -> str:
    return regions.up(plan.session)


def _apis(plan: Plan) -> str:
    names = [*APIS, *(("cloudkms",) if section.of(plan.definition).kms_key else ())]
    return project.enabled(plan.session, names)


def _name(plan: Plan) -> str:
    return network.namesake(plan.session, plan.definition.name, plan.number)


def _types(plan: Plan) -> str:
    return ", ".join(sorted(types.described(plan.session, plan.definition, zones.there(plan.session))))


def _zones(plan: Plan) -> str:
    groups = sizes.groups(plan.definition)
    placement.check_locked(zones.offered(plan.session, plan.definition), plan.placement, groups)
    return f"{', '.join(plan.placement.zones)} offer {', '.join(sorted({group.type for group in groups}))}"


def _images(plan: Plan) -> str:
    locked: Mapping[str, str] = plan.facts.get("images") or images.chosen(plan.session, plan.definition)
    if absent := [arch for arch in plan.definition.architectures if arch not in locked]:
        raise UserError(
            f"The lock has no machine image for {', '.join(absent)}.",
            f"Refresh it: {locks.RELOCK}.",
        )
    found = {arch: locked[arch] for arch in plan.definition.architectures}
    for arch, image in found.items():
        images.check(plan.session, image, arch)
    return ", ".join(f"{arch} {last(image)}" for arch, image in found.items())


def _cpus(plan: Plan) -> str:
    return quotas.cpus(plan.session, plan.kinds, plan.new)


def _quotas(plan: Plan) -> str:
    return quotas.region(plan.session, plan.definition, plan.new)


def _project_quotas(plan: Plan) -> str:
    return quotas.project(plan.session, plan.definition, plan.kinds, plan.new)


def _own_network(plan: Plan) -> str:
    return network.own(plan.session, plan.definition)


def _network(plan: Plan) -> str:
    return network.existing(plan.session, plan.definition)


def _way_out(plan: Plan) -> str:
    return egress.way_out(plan.session, plan.definition, plan.routes)


def _ranges(plan: Plan) -> str:
    return network.ranges(plan.session, plan.definition, plan.routes)


def _addresses(plan: Plan) -> str:
    fixed = {machine.address: machine.name for machine in plan.topology.fixed}
    return network.free(plan.session, plan.definition, fixed)


def _bucket(plan: Plan) -> str:
    return backend.ready(plan.session, plan.definition, plan.number)


def _lock(plan: Plan) -> str:
    return backend.unlocked(plan.session, plan.definition)
