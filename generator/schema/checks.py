"""What single fields cannot know: whether the parts of a definition go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import combinations

from generator import addon_catalog
from generator.schema import kept_flags, own_addons
from generator.schema.kept_flags import Kept
from generator.schema.models import Network, Spec
from generator.source import Keys
from generator.topology import BLOCK, taint_key

TAKEN = {
    "127.0.0.0/8": "every machine itself",
    "169.254.0.0/16": "the clouds' metadata",
    "172.17.0.0/16": "Docker's own bridge",
    "224.0.0.0/3": "multicast",
}
NODE_RANGE = 24  # prefix length of the pod addresses that a machine takes


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not go together: shown at the first of `paths`, and founded on all of them."""

    paths: tuple[Keys, ...]
    message: str
    hint: str


def findings(spec: Spec, taken: Mapping[str, str]) -> Iterator[Finding]:
    """Everything in `spec` that does not go together; `taken` are ranges of its targets, each with its use."""
    yield from _masters(spec)
    yield from _pools(spec)
    yield from _ranges(spec.network, {**TAKEN, **taken})
    yield from _room(spec)
    yield from _components(spec)
    yield from _addons(spec)
    if spec.proxy and not (spec.proxy.http or spec.proxy.https):
        at: Keys = ("spec", "proxy")
        yield Finding((at,), "names no proxy", "such as https: http://proxy.example.com:3128, or remove it")


def _masters(spec: Spec) -> Iterator[Finding]:
    masters = spec.masters
    at: Keys = ("spec", "masters")
    if not spec.etcd.count and masters.count % 2 == 0:
        paths: tuple[Keys, ...] = ((*at, "count"), ("spec", "etcd", "count"))
        message = f"{masters.count} masters that run etcd survive no more failures than {masters.count - 1}"
        yield Finding(paths, message, f"write {masters.count + 1}, or give etcd machines of its own")
    if masters.size == "tiny":
        yield Finding(((*at, "size"),), "a master does not fit on a tiny machine", "write small or larger")
    if not masters.schedulable and not any(pool.count or pool.max for pool in spec.workers):
        paths = (("spec", "workers"), (*at, "schedulable"))
        yield Finding(
            paths, "there is no machine to run pods on", "give workers a count, or write masters: {schedulable: true}"
        )


def _pools(spec: Spec) -> Iterator[Finding]:
    first = _firsts(pool.name for pool in spec.workers)
    for index, pool in enumerate(spec.workers):
        at: Keys = ("spec", "workers", index)
        if first[pool.name] < index:
            yield Finding(((*at, "name"),), f"there already is a pool {pool.name}", "give each pool a name of its own")
        if pool.min is not None and pool.min > pool.count:
            paths = ((*at, "min"), (*at, "count"))
            yield Finding(paths, f"min {pool.min} is more than count {pool.count}", "min <= count <= max")
        if pool.max is not None and pool.max < pool.count:
            paths = ((*at, "max"), (*at, "count"))
            yield Finding(paths, f"max {pool.max} is less than count {pool.count}", "min <= count <= max")
        effects = ["".join(taint_key(taint)) for taint in pool.taints]
        begin = _firsts(effects)
        for number, effect in enumerate(effects):
            if begin[effect] < number:
                yield Finding(
                    ((*at, "taints", number),), "its key and effect are there already", "remove one of the two"
                )


def _firsts(words: Iterable[str]) -> dict[str, int]:
    """Where each of `words` stands first."""
    found: dict[str, int] = {}
    for index, word in enumerate(words):
        found.setdefault(word, index)
    return found


def _ranges(network: Network, taken: Mapping[str, str]) -> Iterator[Finding]:
    ranges = {"machines": network.machines, "pods": network.pods, "services": network.services}
    at = ("spec", "network")
    for (one, first), (other, second) in combinations(ranges.items(), 2):
        if first.overlaps(second):
            paths = ((*at, other), (*at, one))
            yield Finding(paths, f"{second} overlaps with {one} {first}", "give each range addresses of its own")
    for name, wanted in ranges.items():
        for used, use in taken.items():
            if wanted.overlaps(IPv4Network(used)):
                yield Finding(((*at, name),), f"{wanted} overlaps with {used}, which is {use}", "take another range")
    if not 12 <= network.services.prefixlen <= 24:
        message = f"a services range is /12 to /24, not /{network.services.prefixlen}"
        yield Finding(((*at, "services"),), message, "such as 10.96.0.0/16")


def _components(spec: Spec) -> Iterator[Finding]:
    components = spec.components
    for name, component in components.by_name().items():
        for flag in component.flags:
            if kept := kept_flags.of_flag(name, flag):
                yield _kept(("spec", "components", name, "flags", flag), kept)
    for field in components.kubelet.config:
        if kept := kept_flags.of_kubelet_field(field):
            yield _kept(("spec", "components", "kubelet", "config", field), kept)
    at: Keys = ("spec", "components", "kube-apiserver", "flags", "enable-admission-plugins")
    if "AlwaysPullImages" in components.apiserver.flags.get(str(at[-1]), "").split(",") and not spec.registry:
        message = "AlwaysPullImages would end the add-ons, whose images are in no registry"
        yield Finding((at, ("spec", "registry")), message, "name spec.registry, or leave the plugin out")


def _addons(spec: Spec) -> Iterator[Finding]:
    at: Keys = ("spec", "addons")
    for name, others in addon_catalog.needed(own_addons.names(spec.addons)).items():
        lacking = " and ".join(others)
        yield Finding(((*at, spec.addons.index(name)), at), f"{name} needs {lacking}", f"add {lacking} to the list")
    named = [entry if isinstance(entry, str) else entry.name for entry in spec.addons]
    first = _firsts(named)
    for index, entry in enumerate(spec.addons):
        if not isinstance(entry, str) and first[entry.name] < index:
            message = f"there already is an add-on {entry.name}"
            yield Finding(((*at, index, "name"),), message, "give each add-on a name of its own")


def _kept(at: Keys, kept: Kept) -> Finding:
    return Finding((at,), f"{at[-1]} {kept.reason}: it stays as anywhere has it", kept.instead or "remove it")


def _room(spec: Spec) -> Iterator[Finding]:
    network, at = spec.network, ("spec", "network")
    needed = BLOCK * (1 + len(spec.workers))
    paths: tuple[Keys, ...] = ((*at, "machines"), ("spec", "workers"))
    if network.machines.num_addresses < needed:
        message = (
            f"{network.machines} is too small: it takes {needed} addresses, {BLOCK} for the masters and for each pool"
        )
        yield Finding(paths, message, f"a /{32 - (needed - 1).bit_length()} or larger")
    if network.machines.prefixlen < 16:
        yield Finding(
            paths[:1], f"{network.machines} is too large: AWS takes no more than a /16", "such as 10.20.0.0/16"
        )
    machines = spec.etcd.count + spec.masters.count + sum(pool.max or pool.count for pool in spec.workers)
    room = 2 ** max(0, NODE_RANGE - network.pods.prefixlen)
    if room < machines:
        paths = ((*at, "pods"), ("spec", "workers"), ("spec", "masters", "count"), ("spec", "etcd", "count"))
        message = f"{network.pods} is too small: it has a /{NODE_RANGE} for {room} of {machines} machines"
        yield Finding(paths, message, f"a /{NODE_RANGE - (machines - 1).bit_length()} or larger")
