"""What a new release changes of a running one, by component, in words for whoever reviews a plan. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

Release = Mapping[str, Any]  # a parsed `release.json`
CLUSTER, EVERY_MACHINE = "cluster", "every machine"
RESTARTED, STARTED, STOPPED, IN_PLACE = "restarted", "started", "stopped", ""
REBOOTED = "drained and rebooted, one machine at a time"
NO_REBOOT = "installed in turns, no reboot"
# Kinds of objects that no machine deletes, as things of users may be in them: see modules/node/agent/addon_record.py.
STAYING = ("CustomResourceDefinition ", "Namespace ", "PersistentVolumeClaim ")
SHOWN = 20  # packages, or objects of an add-on, that are named


@dataclass(frozen=True, slots=True)
class ComponentChange:
    """What changes of one component. `scope` is a role, a group of machines, CLUSTER or EVERY_MACHINE."""

    scope: str
    component: str
    details: tuple[str, ...]
    effect: str = IN_PLACE


def compare(before: Release, after: Release) -> tuple[ComponentChange, ...]:
    """The changes from one release to another, none of which shows a secret: a release has only their versions."""
    found = (*_cluster(before, after), *_every_machine(before, after), *_roles(before, after), *_groups(before, after))
    return tuple(change for change in found if change.details)


def _cluster(before: Release, after: Release) -> Iterator[ComponentChange]:
    yield ComponentChange(CLUSTER, "kubernetes", _moved(before, after, "kubernetes"))
    yield ComponentChange(CLUSTER, "registry", _moved(before, after, "registry"))
    authorities = ("authorities",) if before.get("registry_ca", "") != after.get("registry_ca", "") else ()
    yield ComponentChange(CLUSTER, "registry", authorities)
    if restore := after.get("restore"):
        yield ComponentChange(CLUSTER, "etcd", (f"restored from {restore['snapshot']}",))
    yield ComponentChange(CLUSTER, "add-ons", _addons(_manifests(before), _manifests(after)))
    old, new = _own(before), _own(after)
    for name in sorted(old.keys() | new.keys()):
        yield ComponentChange(CLUSTER, f"add-on {name}", _addons(old.get(name, {}), new.get(name, {})))


def _manifests(release: Release) -> dict[str, str]:
    """All manifests of add-ons by name, of each group."""
    return {name: text for group in release.get("addons", {}).values() for name, text in group.items()}


def _own(release: Release) -> dict[str, dict[str, Any]]:
    """The add-ons that the definition brings, by name: their objects as people call them."""
    return {addon["name"]: dict(_objects(addon)) for addon in release.get("own_addons", ())}


def _objects(addon: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for each in addon["objects"]:
        metadata = each["metadata"]
        within = f" in {metadata['namespace']}" if "namespace" in metadata else ""
        yield f"{each['kind']} {metadata['name']}{within}", (addon["namespace"], each)


def _addons(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Which manifests or objects come, go and differ."""
    both, gone = sorted(old.keys() & new.keys()), sorted(old.keys() - new.keys())
    return (
        *_listed("installed", _shown(sorted(new.keys() - old.keys()))),
        *_listed("deleted from the cluster", _shown([name for name in gone if not name.startswith(STAYING)])),
        *_listed("left in the cluster", _shown([name for name in gone if name.startswith(STAYING)])),
        *_listed("changed", _shown([name for name in both if old[name] != new[name]])),
    )


def _every_machine(before: Release, after: Release) -> Iterator[ComponentChange]:
    """What machines have whatever their role is: the agent, the network, packages, and images beside their role's."""
    agent = ("new version",) if before.get("node") != after.get("node") else ()
    yield ComponentChange(EVERY_MACHINE, "node agent", agent)
    network = _names_changed(before.get("network", {}), after.get("network", {}))
    yield ComponentChange(EVERY_MACHINE, "network", _listed("settings", network))
    proxy = _names_changed(before.get("proxy", {}), after.get("proxy", {}))
    yield ComponentChange(EVERY_MACHINE, "proxy", _listed("variables", [name for name in proxy if name.islower()]))
    registries = _names_changed(before.get("registries", {}), after.get("registries", {}))
    yield ComponentChange(EVERY_MACHINE, "containerd", _listed("registries", registries))
    packages = _names_changed(before.get("packages", {}), after.get("packages", {}))
    yield ComponentChange(EVERY_MACHINE, "packages", _listed("architectures", packages))
    yield _debian(before, after)
    of_roles = {name for role in after["roles"].values() for name in role["images"]}
    for name in sorted(_images(after).keys() - of_roles):
        yield ComponentChange(EVERY_MACHINE, name, _image(name, before, after))
    of_containers = {part["secrets"] for role in after["roles"].values() for part in role["containers"]}
    for name in _names_changed(before.get("secrets", {}), after.get("secrets", {})):
        if name not in of_containers:
            yield ComponentChange(EVERY_MACHINE, name, ("keys",))


def _debian(before: Release, after: Release) -> ComponentChange:
    """The packages that machines are to have in another version, and whether one of them takes a reboot."""
    old, new = _versions(before), _versions(after)
    moved = [name for name in sorted(new) if old.get(name) != new[name]]
    said = [f"{name} {old[name]} -> {new[name]}" if name in old else f"{name} {new[name]}" for name in moved]
    counted = f"{len(moved)} package{'s' if len(moved) > 1 else ''}"
    reboot = any(fnmatch(name, pattern) for name in moved for pattern in after["updates"]["reboots"])
    return ComponentChange(EVERY_MACHINE, "debian", _listed(counted, _shown(said)), REBOOTED if reboot else NO_REBOOT)


def _versions(release: Release) -> dict[str, str]:
    """The packages that machines update, by name; a kernel that is held stays as it is."""
    updates = release.get("updates") or {"archives": {}}
    versions = {name: version for each in updates["archives"].values() for name, version in each["packages"].items()}
    return {name: version for name, version in versions.items() if updates["kernel"] == "moved" or not _is_kernel(name)}


def _is_kernel(name: str) -> bool:
    return name.startswith("linux-image-")


def _roles(before: Release, after: Release) -> Iterator[ComponentChange]:
    for role, content in after["roles"].items():
        known = before["roles"].get(role)
        if known is None:  # its machines are new, and the plan shows them
            continue
        old, new = (_by_component(part) for part in (known, content))
        for name in sorted(old.keys() | new.keys()):
            if name not in old:
                yield ComponentChange(role, name, ("added",), STARTED)
            elif name not in new:
                yield ComponentChange(role, name, ("removed",), STOPPED)
            else:
                yield ComponentChange(role, name, _container(old[name], new[name], before, after), RESTARTED)
        for name in sorted(set(content["images"]) - {part["image"] for part in content["containers"]}):
            yield ComponentChange(role, name, _image(name, before, after))


def _groups(before: Release, after: Release) -> Iterator[ComponentChange]:
    """Labels and taints of nodes, and how many pods they take."""
    for group, new in after["groups"].items():
        if old := before["groups"].get(group):
            changed = [name for name in _names_changed(old, new) if name != "max_pods"]
            yield ComponentChange(group, "node", tuple(changed))
            if "max_pods" in old:  # before, it was the kubelet's own default
                yield ComponentChange(group, "kubelet", _numbered("max_pods", old, new), RESTARTED)


def _container(old: Mapping[str, Any], new: Mapping[str, Any], before: Release, after: Release) -> tuple[str, ...]:
    """What differs between two versions of one container."""
    flags = _names_changed(_flags(old["command"]), _flags(new["command"]))
    counted = f"{len(flags)} flag{'s' if len(flags) > 1 else ''}"
    files = _names_changed(old["files"], new["files"])
    own = ("command", "files", "image", "secrets")
    others = [name for name in _names_changed(old, new) if name not in own]
    version = before["secrets"].get(old["secrets"]) != after["secrets"].get(new["secrets"])
    return (
        *_image(new["image"], before, after),
        *_listed(counted, flags),
        *_listed("files", files),
        *_listed("settings", others),
        *(("certificates and keys",) if version else ()),
    )


def _image(name: str, before: Release, after: Release) -> tuple[str, ...]:
    """`image v1.35.4 -> v1.36.3`; identities where the tag stays the same."""
    old, new = _images(before).get(name), _images(after).get(name)
    if old is None or new is None or old["id"] == new["id"]:
        return ()
    tags = [image["ref"].rpartition(":")[2] for image in (old, new)]
    if tags[0] == tags[1]:
        ids = [image["id"].removeprefix("sha256:")[:12] for image in (old, new)]
        return (f"image {tags[0]} built anew: {ids[0]} -> {ids[1]}",)
    return (f"image {tags[0]} -> {tags[1]}",)


def _images(release: Release) -> Mapping[str, Any]:
    """Images by name, of the first architecture: all have the same versions."""
    return next(iter(release["images"].values()), {})


def _by_component(role: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {part["component"]: part for part in role["containers"]}


def _flags(command: list[str]) -> dict[str, list[str]]:
    """Values by flag: a flag may be given more than once."""
    flags: dict[str, list[str]] = {}
    for word in command:
        name, _, value = word.partition("=")
        flags.setdefault(name, []).append(value)
    return flags


def _numbered(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"{name} {old[name]} -> {new[name]}",) if old[name] != new[name] else ()


def _moved(before: Release, after: Release, name: str) -> tuple[str, ...]:
    old, new = before.get(name), after.get(name)
    return (f"{old or 'none'} -> {new or 'none'}",) if old != new else ()


def _names_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys whose values differ, also where one side has none."""
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))


def _shown(names: list[str]) -> list[str]:
    """The first of `names`, and how many more there are."""
    return [*names[:SHOWN], f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else names


def _listed(title: str, names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (f"{title} ({', '.join(names)})",) if names else ()
