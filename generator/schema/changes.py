"""What a change of each field does to a cluster that was applied: of the definition, and of its lock. The one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.definition import SIZES

LIVE = "live"
NEW = "new machines only"
REPLACES = "replaces machines"
NEVER = "never"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field, such as `spec.workers[general].count`, as it was applied and as it is wanted.

    `applied` and `wanted` have the values of all fields, by path.
    """

    path: str
    before: Any
    after: Any
    applied: Mapping[str, Any]
    wanted: Mapping[str, Any]

    def sibling(self, name: str) -> Any:
        """What is wanted of another field of the same mapping."""
        return self.wanted.get(f"{self.path.rpartition('.')[0]}.{name}")

    @property
    def machines(self) -> int:
        """How many machines there are by the same mapping that are wanted further on."""
        return min(self.applied.get(f"{self.path.rpartition('.')[0]}.count") or 0, self.sibling("count") or 0)


Judge = Callable[[Difference], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a change of one field does, and a `note` about it for the documentation.

    `on` has the targets where it does something else, and `judge` what one change does where that depends on the
    values. The plan says `warning` of a change that is live, and `keeps` of one that machines which are there do not
    take. `compared` is False where what was applied is not recorded: another field has the same value, Terraform
    compares it, or the review of the release shows it.
    """

    effect: str
    note: str = ""
    on: Mapping[str, str | Judge] = field(default_factory=dict)
    judge: Judge | None = None
    warning: str = ""
    keeps: str = "applies to new machines only; existing machines keep what they have"
    compared: bool = True

    def notice(self, effect: str) -> str:
        """What a plan says of a change with this effect, "" for nothing beside what Terraform plans."""
        return {LIVE: self.warning, NEW: self.keeps}.get(effect, "")

    def decide(self, target: str, difference: Difference) -> str:
        """What this change does on `target`."""
        decided = self.on.get(target, self.judge or self.effect)
        return decided if isinstance(decided, str) else decided(difference)


def _where_disk_shrinks(d: Difference) -> str:
    """A local disk never shrinks; where there is no machine, none does."""
    before, after = SIZES.get(d.before), SIZES.get(d.after)
    return NEVER if d.machines and before and after and after.disk < before.disk else LIVE


def _where_there_are_machines(d: Difference) -> str:
    return NEVER if d.machines else LIVE


def _where_etcd_stays(d: Difference) -> str:
    """Members join and leave; all of them cannot move between masters and machines of their own."""
    return LIVE if d.before and d.after else NEVER


def _where_driver_is_flannel(d: Difference) -> str:
    """Flannel keeps the routes of the backend that it had before, so packets would still take that one."""
    return NEVER if d.applied.get("spec.network.driver") == "flannel" else LIVE


def _where_pool_scales(d: Difference) -> str:
    """A cloud's group whose size an autoscaler may change is left alone by Terraform."""
    count, least, most = d.after, d.sibling("min"), d.sibling("max")
    return NEW if (count if least is None else least) != (count if most is None else most) else LIVE


def _where_machines_move(d: Difference) -> str:
    """Fixed machines take turns in the first zones or subnets, so these keep their places; others may follow."""
    head = d.path.rpartition(".")[0]

    def turns(values: Mapping[str, Any]) -> list[Any]:
        places = _places(values, f"{head}.subnets") or _places(values, f"{head}.zones")
        return places[: values.get(f"{head}.spread")]

    names = (f"{head}.subnets", f"{head}.zones")
    pairs = [(_places(d.applied, name), _places(d.wanted, name)) for name in names]
    kept = all(after[: len(before)] == before for before, after in pairs)
    return LIVE if kept and turns(d.applied) == turns(d.wanted) else NEVER


def _places(values: Mapping[str, Any], path: str) -> list[Any]:
    """Zones by name, and subnets by where they begin: in one that grew, machines keep their addresses."""
    return [
        place if isinstance(place, str) else (place["id"], place.get("zone"), place["cidr"].partition("/")[0])
        for place in values.get(path) or []
    ]


def _where_workers_have_it(d: Difference) -> str:
    """A group's machines keep the type that they were started with."""
    before, after = d.before or {}, d.after or {}
    changed = {size for size in before.keys() | after.keys() if before.get(size) != after.get(size)}
    used = {v for path, v in d.applied.items() if path.startswith("spec.workers[") and path.endswith("].size")}
    return NEW if changed & used else LIVE


def _where_any_changes(effect: str) -> Judge:
    """`effect` where a key that is on both sides has another value: one that is new or gone changes nothing else."""

    def judge(d: Difference) -> str:
        before, after = d.before or {}, d.after or {}
        return effect if any(before[key] != after[key] for key in before.keys() & after.keys()) else LIVE

    return judge


def _where_both_are_given(d: Difference) -> str:
    return NEVER if d.before and d.after else LIVE


def _where_kind_changes(d: Difference) -> str:
    """`auto` keeps what there is; what it chose before is not recorded."""
    return LIVE if d.after == "auto" else REPLACES if d.before == "auto" else NEVER


def _where_a_rotation_goes_on(d: Difference) -> str:
    """A phase leads to the next one. One left out, or one of before, cuts machines off that know neither key."""
    return LIVE if d.after in ((d.before or 0), (d.before or 0) + 1) else NEVER


def _where_it_is_rotated(d: Difference) -> str:
    """Machines trust the other authority already, as of the phase that they have."""
    generations = [values.get(f"{d.path.rpartition('.')[0]}.generation") or 0 for values in (d.applied, d.wanted)]
    return LIVE if generations[1] == generations[0] + 1 else NEVER


_PROXY = "Fetches and containerd take it at once; Docker, which only pulls from a registry, at the machine's next boot."
_MEMBERS = (
    "One member after the other joins, or leaves, while the others serve. Etcd never moves between the masters and"
    " machines of its own."
)
_OLD_ARCH = "Machines keep the image and the disks of their old architecture. Add a pool instead."
_ARCH = Rule(NEVER, _OLD_ARCH, judge=_where_there_are_machines)
_SIZE = Rule(
    LIVE,
    "One machine at a time is stopped and started. Disks never shrink: a cloud's keep their size, and a smaller local"
    " one is refused.",
    on={"local": _where_disk_shrinks},
    warning="machines are stopped and started again, one at a time",
)
_TYPES = Rule(
    LIVE,
    "As a change of size: fixed machines live, workers new machines only.",
    judge=_where_workers_have_it,
    keeps="existing workers keep their machine type",
)
_IMAGES = Rule(NEW, "After `anywhere images lock`.", compared=False)  # the lock's are those that are taken
_ZONES = Rule(
    LIVE, "After `anywhere images lock`. One may be added, for pools to come; one that is there stays.", compared=False
)
_NAT = Rule(LIVE, "Connections to the outside may break once.")
_BALANCER = Rule(LIVE, "The API's address changes; `anywhere kubeconfig` writes the new one.")
_STATE = Rule(NEVER, "Move the state first: terraform init -migrate-state.", compared=False)
_SETTINGS = "Nodes that are there get it, and lose what is no longer there; what others set on them stays."
_NETWORK = Rule(NEVER, "Every machine and its disks would be made anew elsewhere.")
_RESTART = Rule(LIVE, "Machines are stopped and started again.", warning="machines are stopped and started again")
_TAGS = Rule(LIVE, "Running workers keep theirs.", warning="workers that are there keep the old ones")
_RANGE = "Certificates, routers and Services that are there have addresses of the old range."

_KEYS = "Machines trust the keys that they were given: bring back the lock and the secrets of one and the same commit."
_ROTATED = (
    "A rotation goes from phase to phase, and machines have another one than the phase before this: bring back the"
    " lock and the secrets that were applied last, as with git pull."
)

_PLACES = Rule(NEVER, "More may follow. Machines and volumes keep those that are there.", judge=_where_machines_move)
_LOCKED_IMAGES = Rule(NEW, "No machine is made anew for an image.", judge=_where_any_changes(NEW))
_AS_DEFINED = Rule(NEVER, "It is the definition's.", compared=False)
_ISSUERS: Mapping[str, Rule] = {
    f"spec.access.authentication[].{name}": Rule(
        LIVE, "API servers are restarted, one after the other.", compared=False
    )
    for name in (
        *(f"issuer.{n}" for n in ("url", "discoveryURL", "certificateAuthority", "audiences", "audienceMatchPolicy")),
        *(f"claimMappings.{n}" for n in ("username.claim", "username.prefix", "username.expression")),
        *(f"claimMappings.{n}" for n in ("groups.claim", "groups.prefix", "groups.expression")),
        *(f"claimMappings.{n}" for n in ("uid.claim", "uid.expression", "extra[].key", "extra[].valueExpression")),
        *(f"claimValidationRules[].{n}" for n in ("claim", "requiredValue", "expression", "message")),
        *(f"userValidationRules[].{n}" for n in ("expression", "message")),
    )
}
_NODES = "Kubelets are restarted, in turns; pods that run stay."
_COMPONENTS: Mapping[str, Rule] = {
    f"spec.components.{name}": Rule(LIVE, note, compared=False)
    for name, note in {
        "etcd.flags": "Members are restarted, one after the other.",
        "kube-apiserver.flags": "API servers are restarted, one after the other.",
        "kube-controller-manager.flags": "Controller managers are restarted, one after the other.",
        "kube-scheduler.flags": "Schedulers are restarted, one after the other.",
        "kubelet.flags": _NODES,
        "kubelet.config": _NODES,
        "kube-proxy.flags": "kube-proxy is restarted on every node, in turns; connections stay.",
    }.items()
}
_MAX_PODS = Rule(LIVE, f"{_NODES} Where more run than the new number, none is ended; no new ones come.", compared=False)
_LOCKED: Mapping[str, Rule] = {
    "lock.kubernetes": Rule(LIVE, "It is the definition's.", compared=False),
    "lock.driver": Rule(NEVER, "As `spec.network.driver`.", compared=False),
    "lock.images": Rule(LIVE, "Containers are replaced; the plan says which.", compared=False),
    "lock.packages": Rule(
        NEW,
        "Installed once. Local machines have them in their image.",
        on={"local": LIVE},
        judge=_where_any_changes(NEW),
    ),
    "lock.updates": Rule(LIVE, "Installed in turns; the plan says which packages move.", compared=False),
    "lock.base": Rule(NEW, "For local machines.", on={"aws": LIVE, "gce": LIVE}),
    "lock.blocks": Rule(
        NEVER,
        "Local workers would have other addresses. On a cloud, workers have addresses of its own choice.",
        on={"aws": LIVE, "gce": LIVE},
        judge=_where_any_changes(NEVER),
    ),
    "lock.founders": Rule(NEVER, "They founded etcd, and share the network's addresses among themselves."),
    "lock.previous": Rule(LIVE, "What `anywhere rollback` goes back to.", compared=False),
    "lock.secrets.store": Rule(NEVER, _KEYS),
    "lock.secrets.targets[].generation": Rule(NEVER, _ROTATED, judge=_where_a_rotation_goes_on),
    "lock.secrets.targets[].authorities[]": Rule(NEVER, _KEYS, judge=_where_it_is_rotated),
    "lock.secrets.targets[].documents": Rule(
        LIVE,
        "It records what secrets there are; `anywhere apply` and `anywhere secrets update` keep it true.",
        compared=False,
    ),
    "lock.facts.aws.region": _AS_DEFINED,
    "lock.facts.aws.account": Rule(NEVER, "Nothing moves between accounts.", judge=_where_both_are_given),
    "lock.facts.aws.zones": _PLACES,
    "lock.facts.aws.spread": _PLACES,
    "lock.facts.aws.subnets": _PLACES,
    "lock.facts.aws.pool_zones": Rule(LIVE, "New workers stand in the new zones."),
    "lock.facts.aws.images": _LOCKED_IMAGES,
    "lock.facts.gce.project": _AS_DEFINED,
    "lock.facts.gce.project_number": Rule(NEVER, "It must be that of the project.", judge=_where_both_are_given),
    "lock.facts.gce.region": _AS_DEFINED,
    "lock.facts.gce.zones": _PLACES,
    "lock.facts.gce.spread": _PLACES,
    "lock.facts.gce.subnets": _PLACES,
    "lock.facts.gce.pool_zones": Rule(REPLACES, "The pool's group is made anew, and its workers drained."),
    "lock.facts.gce.images": _LOCKED_IMAGES,
}

# By path: what happens, and what there is to know.
CHANGES: Mapping[str, Rule] = {
    "metadata.name": Rule(
        NEVER, "Another name is another cluster, with secrets and a state of its own.", compared=False
    ),
    "spec.kubernetes.version": Rule(
        LIVE,
        "After `anywhere images lock`: containers are replaced, machines stay. No minor version is skipped;"
        " `anywhere rollback` takes a patch back.",
        warning="`anywhere rollback` takes a patch back; to undo a minor version, restore a snapshot of etcd",
    ),
    "spec.etcd.count": Rule(LIVE, _MEMBERS, judge=_where_etcd_stays),
    "spec.etcd.size": _SIZE,
    "spec.etcd.arch": _ARCH,
    "spec.etcd.snapshots.every": Rule(LIVE),
    "spec.etcd.snapshots.keep": Rule(LIVE, "Fewer: the oldest are removed after the next snapshot."),
    "spec.masters.count": Rule(LIVE, "One master after the other joins, or leaves. With etcd on them, as its count."),
    "spec.masters.size": _SIZE,
    "spec.masters.schedulable": Rule(LIVE, _SETTINGS),
    "spec.masters.arch": _ARCH,
    "spec.masters.max_pods": _MAX_PODS,
    "spec.workers[].name": Rule(
        REPLACES, "Another name is another pool: the old one is drained and removed.", compared=False
    ),
    "spec.workers[].count": Rule(
        LIVE,
        "Workers that go are drained. Between min and max a cloud's autoscaler decides.",
        on={"aws": _where_pool_scales, "gce": _where_pool_scales},
        keeps="the pool keeps its size: between min and max an autoscaler decides",
    ),
    "spec.workers[].size": Rule(
        NEW,
        "A local worker is stopped and started in place.",
        on={"local": _where_disk_shrinks},
        warning="the workers of the pool are stopped and started again",
    ),
    "spec.workers[].labels": Rule(LIVE, _SETTINGS),
    "spec.workers[].taints": Rule(LIVE, _SETTINGS),
    "spec.workers[].arch": Rule(NEW, "After `anywhere images lock`, which adds images of the architecture."),
    "spec.workers[].max_pods": _MAX_PODS,
    "spec.workers[].spot": Rule(NEW, "Local machines are never spot machines.", on={"local": LIVE}),
    "spec.workers[].min": Rule(LIVE, "Local pools do not scale."),
    "spec.workers[].max": Rule(LIVE, "Local pools do not scale."),
    "spec.network.driver": Rule(NEVER, "Nodes and pods have addresses of the network that was made first."),
    "spec.network.machines": Rule(NEVER, "Every machine would have another address and be made anew."),
    "spec.network.pods": Rule(NEVER, _RANGE),
    "spec.network.services": Rule(NEVER, _RANGE),
    "spec.network.encryption": Rule(
        LIVE,
        "Weave's routers are replaced; machines with the old and the new setting do not reach each other. Never with"
        " flannel, which keeps the routes of what it had.",
        judge=_where_driver_is_flannel,
        warning="connections between machines break until every router has it, for about a minute",
    ),
    "spec.rollout.wave": Rule(LIVE, "It holds for the next change."),
    "spec.rollout.drain": Rule(LIVE, "It holds for the next change."),
    "spec.os.updates": Rule(
        LIVE, "After `anywhere images lock`: packages are installed in turns. `none` leaves machines as they are."
    ),
    "spec.os.kernel": Rule(
        LIVE,
        "`moved` after `anywhere images lock`: machines are drained and rebooted, one at a time. Local machines have"
        " the kernel of their image or of this computer.",
        warning="where it is moved, machines are drained and rebooted, one at a time",
    ),
    "spec.registry.mirror": Rule(LIVE, "Machines pull from it what they lack; containers that run stay."),
    "spec.registry.ca": Rule(LIVE, "It holds from the next pull on.", compared=False),
    "spec.registry.login": Rule(LIVE, "It holds from the next pull on, as does another password."),
    "spec.proxy.http": Rule(LIVE, _PROXY),
    "spec.proxy.https": Rule(LIVE, _PROXY),
    "spec.proxy.no_proxy": Rule(LIVE, _PROXY),
    "spec.addons": Rule(LIVE, "One that is removed is deleted from the cluster; what you made yourself stays."),
    "spec.addons[].name": Rule(LIVE, "Objects stay, under the new name.", compared=False),
    "spec.addons[].manifests": Rule(LIVE, "Objects that it no longer has are deleted.", compared=False),
    "spec.addons[].namespace": Rule(LIVE, "Objects are made there, and deleted where they were.", compared=False),
    "spec.access.api_names": Rule(LIVE, "The API server gets a new certificate and is restarted."),
    **_ISSUERS,
    **_COMPONENTS,
    "spec.access.ssh_keys": Rule(
        NEW,
        "Also where a key is removed. The way in, such as AWS's endpoint for ssh, is live; on GCE the keys are OS"
        " Login's.",
        on={"gce": LIVE},
    ),
    "spec.access.age_recipients": Rule(
        LIVE, "`anywhere secrets recrypt` encrypts to the new list; keys stay the same.", compared=False
    ),
    "providers.local.machines": Rule(
        NEVER, "Machines of two kinds share no network. `auto` keeps what there is.", judge=_where_kind_changes
    ),
    "providers.local.egress": _RESTART,
    "providers.local.host_loopback": Rule(LIVE),
    "providers.local.accel": _RESTART,
    "providers.aws.region": Rule(NEVER, "Nothing moves between regions."),
    "providers.aws.account": Rule(
        NEVER, "Nothing moves between accounts. It may be added, or left out.", judge=_where_both_are_given
    ),
    "providers.aws.admin_cidrs": Rule(LIVE),
    "providers.aws.zones": _ZONES,
    "providers.aws.sizes": _TYPES,
    "providers.aws.nat": _NAT,
    "providers.aws.load_balancer": _BALANCER,
    "providers.aws.vpc.id": _NETWORK,
    "providers.aws.vpc.subnets": _ZONES,
    "providers.aws.vpc.public_subnets": Rule(LIVE),
    "providers.aws.images": _IMAGES,
    "providers.aws.tags": _TAGS,
    "providers.aws.backend.s3.bucket": _STATE,
    "providers.aws.backend.s3.key": _STATE,
    "providers.aws.backend.s3.region": _STATE,
    "providers.gce.project": Rule(NEVER, "Nothing moves between projects."),
    "providers.gce.project_number": Rule(
        NEVER, "It must be that of the project. It may be added, or left out.", judge=_where_both_are_given
    ),
    "providers.gce.region": Rule(NEVER, "Nothing moves between regions."),
    "providers.gce.admin_cidrs": Rule(LIVE),
    "providers.gce.zones": _ZONES,
    "providers.gce.sizes": _TYPES,
    "providers.gce.nat": _NAT,
    "providers.gce.load_balancer": _BALANCER,
    "providers.gce.network.name": _NETWORK,
    "providers.gce.network.subnetwork": _NETWORK,
    "providers.gce.network.project": _NETWORK,
    "providers.gce.images": _IMAGES,
    "providers.gce.labels": _TAGS,
    "providers.gce.kms_key": Rule(NEVER, "Every machine and disk would be made anew, etcd's too."),
    "providers.gce.backend.gcs.bucket": _STATE,
    "providers.gce.backend.gcs.prefix": _STATE,
    **_LOCKED,
}
