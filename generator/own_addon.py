"""Add-ons of a cluster's own: objects of Kubernetes as somebody wrote them, and what is to be known of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.image_reference import image_name, is_from

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")  # lists of a pod, wherever its template is
WORKLOADS = {"apps": ("DaemonSet", "Deployment", "StatefulSet"), "batch": ("Job",)}  # by group of the API
# Kinds of Kubernetes itself that are in no namespace; of others only the cluster knows.
CLUSTER_SCOPED = frozenset(
    {
        *("APIService", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace"),
        *("CSIDriver", "Node", "PersistentVolume", "PriorityClass", "RuntimeClass", "StorageClass"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "FlowSchema", "VolumeAttributesClass"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "PriorityLevelConfiguration"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "DeviceClass", "ClusterTrustBundle"),
    }
)
Identity = tuple[str, str, str, str]  # group of the API, kind, namespace ("" for none), name


@dataclass(frozen=True, slots=True)
class Object:
    """An object of Kubernetes: `value` has JSON values, and `file` and `line` say where it was written."""

    file: str
    line: int
    value: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        return str(self.value["metadata"]["name"])

    @property
    def group(self) -> str:
        """Its group of the API; "" for that of pods and Services."""
        return str(self.value["apiVersion"]).rpartition("/")[0]

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"{self.kind} {self.name} in {self.file}:{self.line}"

    def images(self) -> Iterator[str]:
        """The references of the images that its pods run."""
        return (str(container["image"]) for container in _containers(self.value))

    def with_images(self, changed: Callable[[str], str]) -> Any:
        """Its value with each image as `changed` has it. One that is not the same is on the machine, under that name.

        A pod that would ask a registry for it each time is told not to.
        """
        return _replaced(self.value, changed)


@dataclass(frozen=True, slots=True)
class OwnAddon:
    """An add-on that a definition brings: its `objects` in the order of its files.

    `namespace` is that of objects which name none, where they are in one.
    """

    name: str
    objects: tuple[Object, ...]
    namespace: str = "default"

    def identity(self, found: Object) -> Identity:
        """What is the same of two objects that are one and the same in the cluster."""
        return found.group, found.kind, self.namespace_of(found), found.name

    def namespace_of(self, found: Object) -> str:
        if found.kind in CLUSTER_SCOPED:
            return ""
        return str(found.value["metadata"].get("namespace") or self.namespace)

    def workloads(self) -> tuple[tuple[str, str, str], ...]:
        """Kind, namespace and name of what it makes run."""
        return tuple(
            (found.kind, self.namespace_of(found), found.name)
            for found in self.objects
            if found.kind in WORKLOADS.get(found.group, ())
        )


def is_own_image(name: str) -> bool:
    """Whether an image of the lock is one of a cluster's own add-ons, by its name there."""
    return "/" in name


def images(addons: Iterable[OwnAddon], elsewhere: Collection[str]) -> dict[str, tuple[str, str]]:
    """The images that pods of `addons` run, by name in the lock: the reference, and the object that has it first.

    Those of registries in the cluster, which are called `elsewhere`, are pulled by the machine that runs them.
    """
    found: dict[str, tuple[str, str]] = {}
    for addon in addons:
        for each in addon.objects:
            for reference in each.images():
                if not is_from(reference, elsewhere):
                    found.setdefault(image_name(reference), (reference, f"{each.place}, of the add-on {addon.name}"))
    return found


def _containers(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every container with an image below `value`."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key in CONTAINERS and isinstance(child, list):
                yield from (each for each in child if _has_image(each))
            yield from _containers(child)
    elif isinstance(value, list):
        for child in value:
            yield from _containers(child)


def _has_image(container: Any) -> bool:
    return isinstance(container, Mapping) and isinstance(container.get("image"), str) and bool(container["image"])


def _replaced(value: Any, changed: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_replaced(child, changed) for child in value]
    if not isinstance(value, Mapping):
        return value
    made = {key: _replaced(child, changed) for key, child in value.items()}
    for key in CONTAINERS:
        if isinstance(value.get(key), list):
            made[key] = [_container(each, changed) if _has_image(each) else each for each in made[key]]
    return made


def _container(container: Mapping[str, Any], changed: Callable[[str], str]) -> dict[str, Any]:
    image = changed(container["image"])
    policy = container.get("imagePullPolicy")
    replaced = {"imagePullPolicy": "IfNotPresent"} if policy == "Always" and image != container["image"] else {}
    return {**container, "image": image, **replaced}
