"""Whether Google will let the cluster come about, asked before anything is changed: a line for each thing looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from generator import lock as locks
from generator.definition import Definition
from generator.errors import UserError
from generator.topology import Topology
from providers import Check
from providers.gce import backend, images, quotas, section, sizes, subnetworks, zones
from providers.gce.facts import number
from providers.gce.machines import CLUSTER
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

APIS = ("compute", "secretmanager", "storage", "iam")
SERVICES = "https://serviceusage.googleapis.com/v1"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked about. `facts` are those of the lock, {} where it has none of Google yet."""

    session: Session
    definition: Definition
    topology: Topology
    facts: Mapping[str, Any]


# Says what there is, or raises UserError where that will not do.
Look = Callable[[Plan], str]


def checks(session: Session, definition: Definition, topology: Topology) -> tuple[Check, ...]:
    """All of them; the first ones alone where there is nobody to ask. Read-only."""
    plan = Plan(session, definition, topology, _facts(definition))
    first: list[Check] = []
    for subject, look in (("credentials", _credentials), ("project", _project), ("APIs", _apis), ("region", _region)):
        first.append(_check(subject, look, plan))
        if not first[-1].ok and first[-1].needed:
            return tuple(first)
    return (*first, *(_check(subject, look, plan) for subject, look in _looks(plan)))


def _check(subject: str, look: Look, plan: Plan) -> Check:
    """A look that fails is that check's own failure; what could not be looked at is but a warning."""
    try:
        return Check(subject, True, look(plan))
    except GoogleError as error:
        unseen = error.passing or (error.denied and subject not in ("project", "APIs"))
        return Check(subject, False, error.message.rstrip("."), error.hint, needed=not unseen)
    except UserError as error:
        return Check(subject, False, error.message.rstrip("."), error.hint, needed=True)


def _looks(plan: Plan) -> Iterator[tuple[str, Look]]:
    """What there is to look at for this definition."""
    yield from (("zones", _zones), ("machine images", _images), ("CPU quota", _cpus), ("other quotas", _quotas))
    if section.network(plan.definition):
        yield from (("network", _network), ("fixed addresses", _addresses))
    else:
        yield "network", _own_network
    if backend.arguments(plan.definition):
        yield from (("state bucket", _bucket), ("state lock", _lock))


def _facts(definition: Definition) -> Mapping[str, Any]:
    path = locks.path_beside(definition.path)
    return locks.read(path).facts.get("gce", {}) if path.exists() else {}


def _credentials(plan: Plan) -> str:
    try:
        return plan.session.who()
    except Exception as error:
        from providers.gce import refusal

        raise refusal.explain(error, "see whose credentials these are", plan.session.project) from error


def _project(plan: Plan) -> str:
    try:
        found = number(plan.session)
    except GoogleError as error:
        if error.gone or error.denied:
            raise UserError(
                f"There is no project {plan.session.project}, or these credentials may not see it.",
                "Mend providers.gce.project, or sign in as somebody who may: gcloud auth application-default login",
            ) from None
        raise
    wanted = plan.facts.get("project_number", found)
    if wanted != found:
        raise UserError(
            f"Project {plan.session.project} has the number {found}, and the lock {wanted}.",
            f"Lock anew: anywhere images lock {plan.definition.path} --provider gce",
        )
    return f"{plan.session.project}, number {found}"


def _apis(plan: Plan) -> str:
    names = [*APIS, *(("cloudkms",) if section.of(plan.definition).get("kms_key") else ())]
    parent = f"projects/{plan.session.project}"
    asked = "&".join(f"names={parent}/services/{name}.googleapis.com" for name in names)
    found = plan.session.rest("see which APIs are enabled", "GET", f"{SERVICES}/{parent}/services:batchGet?{asked}")
    off = [last(service["name"]) for service in found.get("services", ()) if service.get("state") != "ENABLED"]
    if off:
        raise UserError(
            f"Not enabled in project {plan.session.project}: {', '.join(off)}.",
            f"Enable them: gcloud services enable {' '.join(off)} --project {plan.session.project}",
        )
    return f"{', '.join(names)} are enabled"


def _region(plan: Plan) -> str:
    try:
        status = quotas.region(plan.session).status
    except GoogleError as error:
        if error.gone:
            raise UserError(f"Google has no region {plan.session.region}.", zones.REGION) from None
        raise
    return f"{plan.session.region} is {status.lower() or 'there'}"


def _zones(plan: Plan) -> str:
    types = frozenset(sizes.types(plan.definition).values())
    wanted = plan.facts.get("zones") or zones.chosen(plan.session, plan.definition)
    zones.check(plan.session.region, wanted, zones.offered(plan.session, types), types)
    return f"{', '.join(wanted)} offer {', '.join(sorted(types))}"


def _images(plan: Plan) -> str:
    wanted: Mapping[str, str] = plan.facts.get("images") or images.chosen(plan.session, plan.definition)
    for arch, image in wanted.items():
        images.check(plan.session, image, arch)
    return ", ".join(f"{arch} {last(image)}" for arch, image in sorted(wanted.items()))


def _cpus(plan: Plan) -> str:
    zone = (plan.facts.get("zones") or zones.chosen(plan.session, plan.definition))[0]
    return quotas.cpus(plan.session, plan.definition, zone)


def _quotas(plan: Plan) -> str:
    return quotas.others(plan.session, plan.definition, plan.topology)


def _own_network(plan: Plan) -> str:
    """A network of the cluster's name that is not of the cluster is in the way."""
    name = plan.definition.name
    found = [n for n in plan.session.items("NetworksClient", "list", "look at networks") if n.name == name]
    addresses = plan.session.items(
        "AddressesClient", "aggregated_list", "look at addresses", filter=f"labels.{CLUSTER} = {name}"
    )
    if found and not addresses:
        raise UserError(
            f"Project {plan.session.project} has a network {name} already, with nothing of this cluster in it.",
            "Remove that network, or give the cluster another name.",
        )
    return f"{name} with {plan.definition.network.machines} {'is there' if found else 'is to be made'}"


def _network(plan: Plan) -> str:
    """The existing subnetwork, and that nobody else has the pods' or Services' ranges."""
    (chosen,) = subnetworks.chosen(plan.session, plan.definition)
    name, network = section.network(plan.definition), plan.definition.network
    taken = [
        IPv4Network(cidr)
        for subnetwork in plan.session.items("SubnetworksClient", "aggregated_list", subnetworks.LOOK)
        if last(subnetwork.network) == name
        for cidr in (subnetwork.ip_cidr_range, *(r.ip_cidr_range for r in subnetwork.secondary_ip_ranges))
    ]
    for what, own in (("pods", network.pods), ("services", network.services)):
        if clash := [str(other) for other in taken if own.overlaps(other)]:
            raise UserError(
                f"spec.network.{what} {own} clashes with {', '.join(clash)}, a range of network {name}.",
                f"Give {what} another range.",
            )
    return f"{name}: {chosen['id']} ({chosen['cidr']})"


def _addresses(plan: Plan) -> str:
    wanted = {m.address: m.name for m in plan.topology.machines if m.role != "worker"}
    for instance in plan.session.items("InstancesClient", "aggregated_list", "look at addresses in use"):
        if instance.labels.get(CLUSTER) == plan.definition.name:
            continue
        for interface in instance.network_interfaces:
            if interface.network_i_p in wanted and last(interface.network) == section.network(plan.definition):
                raise UserError(
                    f"{interface.network_i_p}, which {wanted[interface.network_i_p]} is to have, belongs to "
                    f"{instance.name}.",
                    "Free that address, or take another subnetwork.",
                )
    return f"those of {', '.join(wanted.values())} are free"


def _bucket(plan: Plan) -> str:
    return backend.look(plan.session, plan.definition)


def _lock(plan: Plan) -> str:
    return backend.lock(plan.session, plan.definition)
