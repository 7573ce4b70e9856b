"""What of a cluster is still on Google: by label where a thing has labels, else by the names that the module gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from generator.errors import UserError
from providers.gce import owned
from providers.gce.machines import CLUSTER, NAME, instances
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

LOOK = "look for what is left of the cluster"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
SECRETS = "https://secretmanager.googleapis.com/v1"
ACCOUNTS = "https://iam.googleapis.com/v1"

# What carries labels: what it is, its client, and how it is listed.
_LABELLED = (
    ("machine", "InstancesClient", "aggregated_list"),
    ("disk", "DisksClient", "aggregated_list"),
    ("snapshot", "SnapshotsClient", "list"),
    ("address", "AddressesClient", "aggregated_list"),
    ("forwarding rule", "ForwardingRulesClient", "aggregated_list"),
)
# What does not, and has a name that no other cluster's can have: what it is, its client, the names.
_NAMED = (
    ("health check", "RegionHealthChecksClient", ("{0}-api", "{0}-worker")),
    ("backend service", "RegionBackendServicesClient", ("{0}-api",)),
    ("router", "RoutersClient", ("{0}-nat",)),
)
Finder = Callable[[Session, str], Iterator[str]]


def lines(session: Session, cluster: str, network: str) -> tuple[str, ...]:
    """A line each: what and its name. What could not be looked for has a line as well.

    `network` is the one that was there before the cluster, "" where the cluster had its own.
    """
    found: dict[str, None] = {}
    for what, find in (*_finders(network), ("what the cluster created on Google", _made(network))):
        try:
            found.update(dict.fromkeys(find(session, cluster)))
        except UserError as error:
            if isinstance(error, GoogleError) and error.status in (0, 401):
                raise  # where nobody can be asked, that is all to say
            found[f"unknown: {what}: {error.message}"] = None
    return tuple(found)


def foundation(session: Session, cluster: str) -> tuple[str, ...]:
    """What no destroy leaves: machines and the disks of etcd, in the region. What refuses a request is raised."""
    machines = (f"machine {machine.name}" for machine in instances(session, cluster, LOOK))
    disks = session.items("DisksClient", "aggregated_list", LOOK, filter=f"labels.{CLUSTER} = {cluster}")
    own = (disk for disk in disks if NAME in disk.labels and last(disk.zone).rpartition("-")[0] == session.region)
    return (*machines, *(f"disk {disk.name}" for disk in own))


def _finders(network: str) -> Iterator[tuple[str, Finder]]:
    for what, client, method in _LABELLED:
        yield f"{what}s", _labelled(what, client, method)
    yield from (("instance groups", _groups), ("instance templates", _templates))
    for what, client, names in _NAMED:
        yield f"{what}s", _named(what, client, names)
    yield "firewall rules", _firewalls(network)
    if not network:  # one that was there before stays, whatever its name
        yield from (("subnetworks", _subnetworks), ("networks", _networks))
    yield from (("secrets", _secrets), ("buckets", _buckets), ("service accounts", _accounts))


def _labelled(what: str, client: str, method: str) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        for thing in session.items(client, method, LOOK, filter=f"labels.{CLUSTER} = {cluster}"):
            yield f"{what} {thing.name}"

    return find


def _named(what: str, client: str, names: tuple[str, ...]) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        own = {name.format(cluster) for name in names}
        for thing in session.items(client, "list", LOOK, region=session.region):
            if thing.name in own:
                yield f"{what} {thing.name}"

    return find


def _networks(session: Session, cluster: str) -> Iterator[str]:
    for network in session.items("NetworksClient", "list", LOOK):
        if network.name == cluster:
            yield f"network {network.name}"


def _subnetworks(session: Session, cluster: str) -> Iterator[str]:
    for subnetwork in session.items("SubnetworksClient", "list", LOOK, region=session.region):
        if last(subnetwork.network) == cluster:
            yield f"subnetwork {subnetwork.name}"


def _firewalls(network: str) -> Finder:
    """Rules of the cluster's own network, or for its accounts in another."""

    def find(session: Session, cluster: str) -> Iterator[str]:
        domain, _, project = session.project.rpartition(":")  # example.com:galaxy has accounts at galaxy.example.com
        host = ".".join(part for part in (project, domain, "iam.gserviceaccount.com") if part)
        accounts = {f"{name}@{host}" for name in account_names(cluster)}
        for rule in session.items("FirewallsClient", "list", LOOK, project=session.host):
            inside = not network and last(rule.network) == cluster
            if inside or accounts & set(rule.target_service_accounts):
                yield f"firewall rule {rule.name}"

    return find


def account_names(cluster: str) -> Iterator[str]:
    """What the module calls the service accounts of a cluster: a name of 30 characters at most."""
    short = cluster if len(cluster) <= 23 else f"{cluster[:14]}-{sha256(cluster.encode()).hexdigest()[:8]}"
    yield from (f"{short}-{role}" for role in ("etcd", "master", "worker"))


def _groups(session: Session, cluster: str) -> Iterator[str]:
    """Pools by their template; the load balancer's groups of masters by their name."""
    ours = {template.name for template in _cluster_templates(session, cluster)}
    for group in session.items("RegionInstanceGroupManagersClient", "list", LOOK, region=session.region):
        if ours & {last(group.instance_template), *(last(version.instance_template) for version in group.versions)}:
            yield f"instance group {group.name}"
    for group in session.items("InstanceGroupsClient", "aggregated_list", LOOK):
        if group.zone and group.name == f"{cluster}-api-{last(group.zone)}":
            yield f"instance group {group.name}"


def _templates(session: Session, cluster: str) -> Iterator[str]:
    yield from (f"instance template {template.name}" for template in _cluster_templates(session, cluster))


def _cluster_templates(session: Session, cluster: str) -> Iterator[Any]:
    """The regional instance templates whose machines have the cluster's label."""
    for template in session.items("RegionInstanceTemplatesClient", "list", LOOK, region=session.region):
        if template.properties.labels.get(CLUSTER) == cluster:
            yield template


def _secrets(session: Session, cluster: str) -> Iterator[str]:
    url = f"{SECRETS}/projects/{session.project}/secrets?filter=labels.{CLUSTER}={cluster}"
    yield from (f"secret {last(secret['name'])}" for secret in _pages(session, url, "secrets"))


def _buckets(session: Session, cluster: str) -> Iterator[str]:
    for bucket in _pages(session, f"{STORAGE}?project={session.project}&prefix={cluster}-", "items"):
        if bucket.get("labels", {}).get(CLUSTER) == cluster:
            yield f"bucket {bucket['name']}"


def _accounts(session: Session, cluster: str) -> Iterator[str]:
    url = f"{ACCOUNTS}/projects/{session.project}/serviceAccounts?pageSize=100"
    for account in _pages(session, url, "accounts"):
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


def _made(network: str) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        found = owned.find(session, owned.scope(session, cluster, network))
        yield from owned.lines(found)

    return find
