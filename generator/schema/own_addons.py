"""The add-ons that a definition brings: entries of `spec.addons`, and the manifests that they name beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, PlainValidator, TypeAdapter

from generator import addon_catalog, manifests
from generator.decode import Strict, wrong
from generator.errors import InvalidFile, Problem
from generator.manifests import NoManifests
from generator.own_addon import Identity, Object, OwnAddon
from generator.schema import fields
from generator.source import Source, shown

RESERVED = "anywhere-"  # how names begin of what the machines themselves keep in kube-system


class Own(Strict):
    """An add-on of your own."""

    name: fields.OwnAddonName = Field(description="What an add-on of your own is called.", examples=["shop"])
    manifests: Annotated[str, Field(min_length=1)] = Field(
        description="Its Kubernetes objects: a file beside the definition, or a folder of .yaml and .yml files.",
        examples=["shop"],
    )
    namespace: fields.Namespace = Field(
        default="default", description="Where those of its objects are that name no namespace."
    )


_NAME: TypeAdapter[str] = TypeAdapter(fields.Addon)


def _entry(value: object) -> str | Own:
    if isinstance(value, str):
        return _NAME.validate_python(value)
    if isinstance(value, dict):
        return Own.model_validate(value)
    raise wrong(
        f"should be the name of an add-on, or an add-on of your own, not {shown(value)}",
        "such as dns, or {name: shop, manifests: shop}",
    )


Entry = Annotated[str | Own, PlainValidator(_entry, json_schema_input_type=fields.Addon | Own)]


def names(entries: Collection[str | Own]) -> tuple[str, ...]:
    """The add-ons of anywhere among `entries`, each once."""
    return tuple(dict.fromkeys(entry for entry in entries if isinstance(entry, str)))


def read(entries: Collection[str | Own], source: Source, problems: list[Problem]) -> tuple[OwnAddon, ...]:
    """The others, with their manifests; those that are not there are added to `problems`.

    InvalidFile where nothing is wrong in `source` itself, but in a manifest.
    """
    folder, size = Path(source.file).parent, 0
    found: list[OwnAddon] = []
    broken: list[InvalidFile] = []
    for index, entry in enumerate(entries):
        if isinstance(entry, str):
            continue
        objects: list[Object] = []
        try:
            for file in manifests.files(entry.manifests, folder):
                objects += _of(file, broken)
                size += file.stat().st_size
                _refuse_large(size)
        except NoManifests as error:
            at = ("spec", "addons", index, "manifests")
            problems.append(source.problem(at, error.message, error.hint))
        found.append(OwnAddon(entry.name, tuple(objects), entry.namespace))
    if broken and not problems:
        raise broken[0]
    if not problems:
        _refuse_clashes(found, names(entries))
    return tuple(found)


def _refuse_large(size: int) -> None:
    if size > manifests.LIMIT:
        limit = manifests.LIMIT // 1024
        raise NoManifests(f"all manifests together are larger than {limit} KiB", "leave out what is not needed")


def _of(file: Path, broken: list[InvalidFile]) -> tuple[Object, ...]:
    """The objects of a manifest; what is wrong in it is added to `broken`."""
    try:
        return manifests.read(file)
    except InvalidFile as error:
        broken.append(error)
        return ()


def _refuse_clashes(addons: Collection[OwnAddon], listed: Collection[str]) -> None:
    """InvalidFile where an object is there twice, or is one that anywhere installs or keeps itself."""
    first: dict[Identity, str] = {
        identity: f"the add-on {name} of anywhere has it" for name, identity in _installed(listed)
    }
    for addon in addons:
        for found in addon.objects:
            identity = addon.identity(found)
            taken = first.get(identity)
            if identity[2] == "kube-system" and found.name.startswith(RESERVED):
                taken = f"names there that begin with {RESERVED} are those of the machines"
            if taken:
                what = f"{found.kind} {found.name}{f' in {identity[2]}' if identity[2] else ''} is taken"
                raise InvalidFile(found.file, [Problem(".", found.line, f"{what}: {taken}", "give it another name")])
            first[identity] = f"{found.file}:{found.line} has it too"


def _installed(listed: Collection[str]) -> Iterator[tuple[str, Identity]]:
    """What anywhere may install in a cluster with the `listed` add-ons, by the add-on that it is of."""
    for name, addon in addon_catalog.known().items():
        if addon.chosen_by != addon_catalog.DEFINITION or name in listed:
            yield from ((name, identity) for identity in addon.identities())
