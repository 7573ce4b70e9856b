"""The objects of the demo in the API: its manifests, with the images that were built for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.demo.images import REPOSITORY, Image

MANIFESTS = Path(__file__).parent / "manifests"
NAMESPACE = "demo"
FIRST = "namespace.yaml"  # what all others are in
LOAD = "load"
OF_NAMESPACE = f"namespaces/{NAMESPACE}"
COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "PersistentVolumeClaim": f"/api/v1/{OF_NAMESPACE}/persistentvolumeclaims",
    "Service": f"/api/v1/{OF_NAMESPACE}/services",
    "Deployment": f"/apis/apps/v1/{OF_NAMESPACE}/deployments",
    "PodDisruptionBudget": f"/apis/policy/v1/{OF_NAMESPACE}/poddisruptionbudgets",
    "NetworkPolicy": f"/apis/networking.k8s.io/v1/{OF_NAMESPACE}/networkpolicies",
}


@dataclass(frozen=True, slots=True)
class Object:
    """One of them, and its path in the API."""

    path: str
    document: Mapping[str, Any]


def all_of(registry: str, images: Mapping[str, Image], arch: str, load: bool) -> tuple[Object, ...]:
    """Every object in the order to apply them: pods run `images` of `registry` on machines of `arch`.

    `load` has the load generator run.
    """
    found = []
    for document in _documents():
        kind, name = document["kind"], document["metadata"]["name"]
        if kind == "Deployment":
            _complete(document["spec"]["template"]["spec"], registry, images, arch)
            if name == LOAD:
                document["spec"]["replicas"] = int(load)
        found.append(Object(f"{COLLECTIONS[kind]}/{name}", document))
    return tuple(found)


def references(objects: tuple[Object, ...]) -> Mapping[str, str]:
    """The image of each Deployment, by its path."""
    return {each.path: image_of(each.document) for each in objects if each.document["kind"] == "Deployment"}


def image_of(deployment: Mapping[str, Any]) -> str:
    """The image of its only container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _documents() -> Iterator[dict[str, Any]]:
    from ruamel.yaml import YAML

    first, others = MANIFESTS / FIRST, sorted(MANIFESTS.glob("*.yaml"))
    for path in (first, *(path for path in others if path != first)):
        yield from YAML(typ="safe", pure=True).load_all(path.read_text())


def _complete(pod: dict[str, Any], registry: str, images: Mapping[str, Image], arch: str) -> None:
    """Have a pod run what was built, where that can run."""
    pod["nodeSelector"] = {"kubernetes.io/arch": arch}
    for container in pod["containers"]:
        name = container["image"].partition(f"/{REPOSITORY}/")[2]
        container["image"] = f"{registry}/{images[name].path}"
