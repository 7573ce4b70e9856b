"""Load balancers that a Service of a cluster created on Google: what sends to the cluster's machines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from providers.gce.machines import CLUSTER
from providers.gce.session import Session, last, place

GROUPS = "k8s-ig"  # what a controller calls the instance groups of internal balancers
SERVICE = "kubernetes.io/service-name"  # it writes into descriptions which Service a thing is for


@dataclass(frozen=True, slots=True)
class Balancer:
    """`what` is target pool or backend service; all else are names, `groups` with their zones before them.

    Its Service gave forwarding rules, firewall rules and addresses one name, which backend services may have not.
    """

    what: str
    name: str
    rules: tuple[str, ...]
    checks: tuple[str, ...]
    groups: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()  # that its controller did not come to give back

    @property
    def firewalls(self) -> frozenset[str]:
        """Names of the firewall rules that a controller makes for it."""
        own = {
            form.format(name)
            for name in (self.name, *self.rules)
            for form in ("{}", "{}-hc", "k8s-fw-{}", "k8s-{}-http-hc")
        }
        return frozenset(own | {f"{check}-{kind}" for check in self.checks for kind in ("hc", "http-hc")})


def all_of(
    session: Session, machines: Collection[str], network: str, firewalls: Collection[str], purpose: str
) -> tuple[Balancer, ...]:
    """Those that send to `machines` (places) and to no others; none that Terraform or a person made.

    `network` is one that has the cluster alone in it, "" where there is none, and `firewalls` are the names of its
    rules: what is in there is the cluster's, also where it sends to machines that are gone.
    """
    rules = [
        rule
        for rule in session.items("ForwardingRulesClient", "list", purpose, region=session.region)
        if CLUSTER not in rule.labels
    ]
    pools = session.items("TargetPoolsClient", "list", purpose, region=session.region)
    external = [
        Balancer("target pool", pool.name, _rules(rules, pool.self_link), _names(pool.health_checks))
        for pool in pools
        if SERVICE in pool.description and (_only(pool.instances, machines) or f"k8s-fw-{pool.name}" in firewalls)
    ]
    found = [*external, *_internal(session, _groups(session, machines, network, purpose), rules, purpose)]
    addresses = _addresses(session, purpose) if found else frozenset()
    return tuple(replace(b, addresses=tuple(sorted(addresses & {b.name, *b.rules}))) for b in found)


def _addresses(session: Session, purpose: str) -> frozenset[str]:
    """Names of the addresses that controllers reserved for Services."""
    found = session.items("AddressesClient", "list", purpose, region=session.region)
    return frozenset(address.name for address in found if SERVICE in address.description)


def _groups(session: Session, machines: Collection[str], network: str, purpose: str) -> dict[str, tuple[str, str]]:
    """A controller's groups, by place: those in `network`, and those that have the cluster's machines alone."""
    alone = f"{session.project}/global/networks/{network}"
    return {
        place(group.self_link): (last(group.zone), group.name)
        for group in session.items("InstanceGroupsClient", "aggregated_list", purpose)
        if group.name.startswith(GROUPS)
        and group.zone
        and (place(group.network) == alone or _only(_members(session, group, purpose), machines))
    }


def _internal(session: Session, groups: dict[str, tuple[str, str]], rules: list[Any], purpose: str) -> list[Balancer]:
    """Regional backend services that have such groups alone."""
    services = session.items("RegionBackendServicesClient", "list", purpose, region=session.region)
    return [
        Balancer(
            "backend service",
            service.name,
            _rules(rules, service.self_link),
            _names(service.health_checks),
            tuple(groups[place(backend.group)] for backend in service.backends),
        )
        for service in services
        if _only((backend.group for backend in service.backends), groups)
    ]


def _members(session: Session, group: Any, purpose: str) -> list[str]:
    fields = {"zone": last(group.zone), "instance_group": group.name}
    found = session.items("InstanceGroupsClient", "list_instances", purpose, **fields)
    return [member.instance for member in found]


def _only(urls: Any, places: Collection[str]) -> bool:
    found = {place(url) for url in urls}
    return bool(found) and found <= set(places)


def _rules(rules: list[Any], balancer: str) -> tuple[str, ...]:
    return tuple(r.name for r in rules if place(balancer) in (place(r.target), place(r.backend_service)))


def _names(urls: Any) -> tuple[str, ...]:
    return tuple(last(url) for url in urls)
