"""Whether AWS will let the cluster come about, asked before anything is changed: a line for each thing looked at."""

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
from providers.aws import backend, egress, images, network, quotas, regions, section, sizes, subnets, types, zones
from providers.aws.facts import WHO
from providers.aws.refusal import AwsError
from providers.aws.session import Session
from providers.placement import Placement

REGION = "see whether the region is enabled"


@dataclass(frozen=True)
class Plan:
    """What is asked about. `facts` are those of the lock, {} where it has none of AWS yet.

    What several probes need is asked for once.
    """

    session: Session
    definition: Definition
    topology: Topology
    facts: Mapping[str, Any]

    @cached_property
    def placement(self) -> Placement:
        return placement.locked(self.facts) if self.facts else zones.chosen(self.session, self.definition)

    @cached_property
    def kinds(self) -> quotas.Described:
        return types.described(self.session, self.definition)

    @cached_property
    def tables(self) -> list[subnets.Table]:
        """Route tables of a VPC that was there."""
        return subnets.tables(self.session, section.vpc(self.definition).id)


Probe = checking.Probe[Plan]


def checks(session: Session, definition: Definition, topology: Topology) -> tuple[Check, ...]:
    """All of them; the first ones alone where there is nobody to ask. Read-only."""
    plan = Plan(session, definition, topology, checking.facts(definition, "aws"))
    first = (("credentials", _credentials), ("region", _region))
    return checking.run(plan, first, _probes, _unanswered)


def _unanswered(error: UserError) -> bool:
    """Whether the cloud did not answer, so that nothing is known."""
    return isinstance(error, AwsError) and (error.denied or error.throttled or error.broken)


def _probes(plan: Plan) -> Iterator[tuple[str, Probe]]:
    """What there is to check for this definition."""
    yield "name", _name
    yield from (("types", _types), ("zones", _zones), ("machine images", _images), ("vCPU quota", _cpus))
    if any(pool.spot for pool in plan.definition.workers):
        yield "spot vCPU quota", _spot_cpus
    if section.of(plan.definition).vpc:
        yield from (("VPC", _vpc), ("way out", _way_out), ("ranges", _ranges), ("fixed addresses", _addresses))
        if plan.definition.ssh_keys:
            yield "SSH endpoint", _endpoint
    else:
        yield from (("VPC quota", _vpcs), ("elastic address quota", _elastic), ("other VPCs", _others))
    if backend.arguments(plan.definition):
        yield from (("state bucket", _bucket), ("state lock", _lock))


def _credentials(plan: Plan) -> str:
    who = plan.session.call("sts", "get_caller_identity", WHO, plan.session.home())
    given = section.of(plan.definition).account
    wanted = given or plan.facts.get("account", who["Account"])
    if who["Account"] != wanted:
        file = "definition" if given else "lock"
        raise UserError(
            f"The credentials are of account {who['Account']} ({who['Arn']}), and the {file} is of account {wanted}.",
            f"Name a profile of {wanted} in AWS_PROFILE. If the cluster was never applied, you can refresh the lock:"
            f" {locks.RELOCK}.",
        )
    return f"account {who['Account']}, {who['Arn']}"


def _region(plan: Plan) -> str:
    session = plan.session
    found = session.items("ec2", "describe_regions", "Regions", REGION, session.home(), AllRegions=True)
    states = {region["RegionName"]: region["OptInStatus"] for region in found}
    if session.region not in states:
        raise regions.refusal(session.region, states)
    if states[session.region] == "not-opted-in":
        raise UserError(
            f"Region {session.region} is not enabled in this account.",
            f"Enable it (aws account enable-region --region-name {session.region}), or write another in "
            "providers.aws.region.",
        )
    return f"{session.region} is enabled"


def _name(plan: Plan) -> str:
    return network.namesake(plan.session, plan.definition.name)


def _types(plan: Plan) -> str:
    return ", ".join(sorted(plan.kinds))


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
    return ", ".join(f"{arch} {image}" for arch, image in found.items())


def _cpus(plan: Plan) -> str:
    return quotas.cpus(plan.session, plan.definition.name, sizes.groups(plan.definition), plan.kinds)


def _spot_cpus(plan: Plan) -> str:
    return quotas.spot_cpus(plan.session, plan.definition.name, sizes.groups(plan.definition), plan.kinds)


def _vpcs(plan: Plan) -> str:
    return quotas.vpcs(plan.session, plan.definition.name)


def _elastic(plan: Plan) -> str:
    wanted = {"none": 0, "one": 1, "zone": len(plan.placement.zones)}[section.of(plan.definition).nat]
    return quotas.addresses(plan.session, plan.definition.name, wanted)


def _others(plan: Plan) -> str:
    return network.others(plan.session, plan.definition)


def _vpc(plan: Plan) -> str:
    return network.existing(plan.session, plan.definition)


def _way_out(plan: Plan) -> str:
    return egress.way_out(plan.session, plan.definition, plan.tables)


def _ranges(plan: Plan) -> str:
    return network.ranges(plan.session, plan.definition, plan.tables)


def _endpoint(plan: Plan) -> str:
    return network.endpoint(plan.session, plan.definition)


def _addresses(plan: Plan) -> str:
    fixed = {machine.address: machine.name for machine in plan.topology.fixed}
    return network.free(plan.session, plan.definition, fixed)


def _bucket(plan: Plan) -> str:
    return backend.ready(plan.session, plan.definition)


def _lock(plan: Plan) -> str:
    return backend.unlocked(plan.session, plan.definition)
