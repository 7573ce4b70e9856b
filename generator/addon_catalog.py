"""The add-ons that there are: each is a folder of `modules/addons/`, with its manifests and what `addon.toml` says.

Only the folder names an add-on: a new one is known everywhere by being there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from ipaddress import IPv4Network

DESCRIPTION = "addon.toml"
TEMPLATE = ".j2"
CLUSTER, DRIVER, DEFINITION = "cluster", "driver", "definition"  # who may choose an add-on
# How an object begins in a manifest: its path in the API, remarks, and its kind.
_HEAD = re.compile(r"^# (/apis?/\S+)\n(?:#.*\n)*apiVersion: \S+\nkind: (\w+)$", re.MULTILINE)
BOOTSTRAP, ONCE_UP = "bootstrap", "cluster"  # groups: before any machine joins, and once the control plane is up


@dataclass(frozen=True, slots=True)
class Addon:
    """An add-on, by the name of its folder; `about` says in a line what it is for.

    `chosen_by` is CLUSTER where each has it, DRIVER where those on the network driver of its name have it, and
    DEFINITION where `spec.addons` lists it, or says nothing and it is a `default`. `workloads` are kind and name of
    what its manifests make run, in kube-system. `images` has the licence of each image of its pods, by name in the
    lock. `manifests` are templates by the name of the file that each is rendered to, and `files` what else is in its
    folder, for them to hold, by name. `serves` are its Services, in kube-system, that have a certificate of the
    cluster's own CA; `extends_api` says whether the API server speaks to them. `address` is the number of the address
    that its Service has in their network, 0 where any will do. `pulled_as` is HOST:PORT of references to images that
    machines pull from that Service. `measured` says whether it reads what machines write of themselves. `needs` are
    other add-ons, by name.
    """

    name: str
    about: str
    chosen_by: str
    group: str
    workloads: tuple[tuple[str, str], ...]
    images: Mapping[str, str]
    manifests: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    serves: tuple[str, ...] = ()
    extends_api: bool = False
    address: int = 0
    pulled_as: str = ""
    measured: bool = False
    needs: tuple[str, ...] = ()
    default: bool = False

    def identities(self) -> Iterator[tuple[str, str, str, str]]:
        """What is the same of each of its objects wherever it is applied: group, kind, namespace and name."""
        for text in self.manifests.values():
            for path, kind in _HEAD.findall(text):
                _, root, *place = path.split("/")
                group = "" if root == "api" else place[0]
                yield group, kind, place[-3] if "namespaces" in place[:-2] else "", place[-1]

    def service_address(self, services: IPv4Network) -> str:
        """The fixed address of its Service in the network of Services; "" where it has none."""
        return str(services.network_address + self.address) if self.address else ""


@cache
def known() -> Mapping[str, Addon]:
    """Every add-on by name."""
    folders = resources.files("modules").joinpath("addons").iterdir()
    names = sorted(folder.name for folder in folders if folder.joinpath(DESCRIPTION).is_file())
    return {name: _read(name) for name in names}


def choices() -> Mapping[str, Addon]:
    """Those that `spec.addons` may list, by name."""
    return {name: addon for name, addon in known().items() if addon.chosen_by == DEFINITION}


def defaults() -> tuple[str, ...]:
    """What `spec.addons` is where a definition says nothing."""
    return tuple(name for name, addon in choices().items() if addon.default)


def chosen(listed: Collection[str], driver: str) -> tuple[Addon, ...]:
    """The add-ons of a cluster; `listed` are those of its definition."""
    every = known().values()
    return (
        *(addon for addon in every if addon.chosen_by == CLUSTER),
        *(known()[name] for name in listed),
        *(addon for addon in every if addon.chosen_by == DRIVER and addon.name == driver),
    )


def served(listed: Collection[str], services: IPv4Network) -> dict[str, tuple[str, ...]]:
    """The Services of `listed` add-ons that have a certificate: beside their own names, what else clients call each."""
    return {
        service: tuple(filter(None, (addon.pulled_as.rpartition(":")[0], addon.service_address(services))))
        for addon in _all(listed)
        for service in addon.serves
    }


def registries(listed: Collection[str], services: IPv4Network) -> dict[str, str]:
    """Where machines pull images from by what their references begin with, of registries among `listed` add-ons."""
    return {
        addon.pulled_as: f"https://{addon.service_address(services)}:{addon.pulled_as.rpartition(':')[2]}"
        for addon in _all(listed)
        if addon.pulled_as
    }


def extends_api(listed: Collection[str]) -> bool:
    """Whether the API server speaks to one of `listed` add-ons."""
    return any(addon.extends_api for addon in _all(listed))


def measured(listed: Collection[str]) -> bool:
    """Whether one of `listed` add-ons reads what machines write of themselves."""
    return any(addon.measured for addon in _all(listed))


def needed(listed: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What `listed` add-ons need and the list lacks, by the name of who needs it."""
    lacking = {addon.name: tuple(name for name in addon.needs if name not in listed) for addon in _all(listed)}
    return {name: others for name, others in lacking.items() if others}


def _all(listed: Collection[str]) -> tuple[Addon, ...]:
    return tuple(known()[name] for name in listed)


@cache
def images() -> frozenset[str]:
    """The images that pods of any add-on run, by name in the lock."""
    return frozenset(image for addon in known().values() for image in addon.images)


def _read(name: str) -> Addon:
    folder = resources.files("modules").joinpath("addons", name)
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    texts = {name: folder.joinpath(name).read_text() for name in names}
    said = tomllib.loads(texts[DESCRIPTION])
    manifests = {name.removesuffix(TEMPLATE): text for name, text in texts.items() if name.endswith(TEMPLATE)}
    files = {name: text for name, text in texts.items() if name != DESCRIPTION and not name.endswith(TEMPLATE)}
    workloads = tuple((each["kind"], each["name"]) for each in said.pop("workloads"))
    serves, needs = tuple(said.pop("serves", ())), tuple(said.pop("needs", ()))
    return Addon(name=name, workloads=workloads, serves=serves, needs=needs, manifests=manifests, files=files, **said)
