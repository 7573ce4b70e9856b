"""What of a cluster is still on Google: by label where a thing has labels, else by the names that the module gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from generator.errors import UserError
from providers.gce.facts import number
from providers.gce.machines import CLUSTER
from providers.gce.session import Session, last

LOOK = "look for what is left of the cluster"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
SECRETS = "https://secretmanager.googleapis.com/v1"
ACCOUNTS = "https://iam.googleapis.com/v1"

# What carries labels: what it is, its client, and how it is listed.
_LABELLED = (
    ("machine", "InstancesClient", "aggregated_list"),
    ("disk", "DisksClient", "aggregated_list"),
    ("address", "AddressesClient", "aggregated_list"),
    ("forwarding rule", "ForwardingRulesClient", "aggregated_list"),
)
# What does not, in the cluster's own network.
_NETWORKED = (
    ("firewall rule", "FirewallsClient", "list", False),
    ("router", "RoutersClient", "list", True),
    ("subnetwork", "SubnetworksClient", "list", True),
)
Finder = Callable[[Session, str], Iterator[str]]


def lines(session: Session, cluster: str) -> tuple[str, ...]:
    """A line each: what and its name. What could not be looked for has a line as well."""
    found: dict[str, None] = {}
    number(session)  # without credentials, that is all to say
    for what, find in _finders():
        try:
            found.update(dict.fromkeys(find(session, cluster)))
        except UserError as error:
            found[f"unknown: {what}: {error.message}"] = None
    return tuple(found)


def _finders() -> Iterator[tuple[str, Finder]]:
    for what, client, method in _LABELLED:
        yield f"{what}s", _labelled(what, client, method)
    yield "groups", _groups
    yield "instance templates", _templates
    yield "health checks", _checks
    for what, client, method, regional in _NETWORKED:
        yield f"{what}s", _networked(what, client, method, regional)
    yield "networks", _networks
    yield "secrets", _secrets
    yield "buckets", _buckets
    yield "service accounts", _accounts


def _labelled(what: str, client: str, method: str) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        for thing in session.items(client, method, LOOK, filter=f"labels.{CLUSTER} = {cluster}"):
            yield f"{what} {thing.name}"

    return find


def _networked(what: str, client: str, method: str, regional: bool) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        where = {"region": session.region} if regional else {}
        for thing in session.items(client, method, LOOK, **where):
            if last(thing.network) == cluster:
                yield f"{what} {thing.name}"

    return find


def _networks(session: Session, cluster: str) -> Iterator[str]:
    for network in session.items("NetworksClient", "list", LOOK):
        if network.name == cluster:
            yield f"network {network.name}"


def _groups(session: Session, cluster: str) -> Iterator[str]:
    ours = {name for name, _ in _cluster_templates(session, cluster)}
    groups = session.items("RegionInstanceGroupManagersClient", "list", LOOK, region=session.region)
    yield from (f"instance group {group.name}" for group in groups if last(group.instance_template) in ours)


def _templates(session: Session, cluster: str) -> Iterator[str]:
    yield from (f"instance template {name}" for name, _ in _cluster_templates(session, cluster))


def _cluster_templates(session: Session, cluster: str) -> Iterator[tuple[str, Any]]:
    """The regional instance templates whose machines have the cluster's label."""
    for template in session.items("RegionInstanceTemplatesClient", "list", LOOK, region=session.region):
        if template.properties.labels.get(CLUSTER) == cluster:
            yield template.name, template


def _checks(session: Session, cluster: str) -> Iterator[str]:
    names = (f"{cluster}-api", f"{cluster}-worker")
    for check in session.items("RegionHealthChecksClient", "list", LOOK, region=session.region):
        if check.name in names:
            yield f"health check {check.name}"


def _secrets(session: Session, cluster: str) -> Iterator[str]:
    url = f"{SECRETS}/projects/{session.project}/secrets?filter=labels.{CLUSTER}={cluster}"
    yield from (f"secret {last(secret['name'])}" for secret in _pages(session, url, "secrets"))


def _buckets(session: Session, cluster: str) -> Iterator[str]:
    for bucket in _pages(session, f"{STORAGE}?project={session.project}&prefix={cluster}-", "items"):
        if bucket.get("labels", {}).get(CLUSTER) == cluster:
            yield f"bucket {bucket['name']}"


def _accounts(session: Session, cluster: str) -> Iterator[str]:
    for account in _pages(session, f"{ACCOUNTS}/projects/{session.project}/serviceAccounts?pageSize=100", "accounts"):
        if account.get("displayName", "").endswith(f" machines of cluster {cluster}"):
            yield f"service account {account['email']}"


def _pages(session: Session, url: str, key: str) -> Iterator[dict[str, Any]]:
    """All that a JSON API lists under `key`."""
    token = ""
    while True:
        answer = session.rest(LOOK, "GET", f"{url}{token}") or {}
        yield from answer.get(key, ())
        if not answer.get("nextPageToken"):
            return
        token = f"{'&' if '?' in url else '?'}pageToken={answer['nextPageToken']}"
