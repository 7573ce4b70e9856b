"""Manifests of a cluster's own add-ons, read from files beside its definition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generator import source
from generator.errors import InvalidFile, Problem
from generator.image_reference import LONGEST_TAG, is_reference
from generator.own_addon import Object
from generator.source import Keys, Source, shown

SUFFIXES = (".yaml", ".yml")
LIMIT = 1024 * 1024  # bytes of all manifests of a cluster: they travel in the release, to every machine
_VERSION = re.compile(r"([a-z0-9.-]+/)?v[0-9][a-z0-9]*")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_NAME = re.compile(r"[^/%\s]{1,253}")


class NoManifests(Exception):
    """What is wrong with the path of manifests, and what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def files(said: str, folder: Path) -> tuple[Path, ...]:
    """The files that `said` means, a file in `folder` or a folder in it. NoManifests where there are none."""
    try:
        return _files(folder / said, folder)
    except (OSError, ValueError, RuntimeError) as error:  # no access, no path, or links that lead to each other
        reason = getattr(error, "strerror", None) or "it is no path"
        raise NoManifests(
            f"{shown(said)} cannot be read: {reason}", "a file or a folder beside the definition"
        ) from None


def _files(path: Path, folder: Path) -> tuple[Path, ...]:
    within(path, folder)
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise NoManifests(f"there is no {path}", "a file or a folder beside the definition")
    found = tuple(sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and not file.is_dir()))
    if not found:
        raise NoManifests(f"{path} has no file that ends with .yaml or .yml", "name a folder that has")
    for file in found:
        within(file, folder)
    return found


def within(path: Path, folder: Path) -> None:
    """NoManifests where `path`, or what it is a link to, is not in the definition's `folder`."""
    if not path.resolve().is_relative_to(folder.resolve()):
        hint = "keep it beside the definition, so that git has it"
        raise NoManifests(f"{path} leads out of the definition's folder", hint)


def read(file: Path) -> tuple[Object, ...]:
    """The objects of one file, in order. InvalidFile with every problem in it, UserError where it cannot be read."""
    documents = source.read_manifest(file)
    problems: list[Problem] = []
    found: list[Object] = []
    for number, document in enumerate(documents, 1):
        where = f"document {number}: " if len(documents) > 1 else ""
        problems += (_placed(problem, where) for _, problem in document.problems)
        for keys, value in _flat((), document.value):
            wrong = [] if document.problems else list(_problems(document, keys, value))
            problems += (_placed(problem, where) for problem in wrong)
            found.append(Object(str(file), document.line(keys), value))
    if problems:
        raise InvalidFile(str(file), problems)
    return tuple(found)


def _placed(problem: Problem, where: str) -> Problem:
    return Problem(f"{where}{problem.path}", problem.line, problem.message, problem.hint) if where else problem


def _flat(keys: Keys, value: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
    """The objects of a document, each with where it is: a List has several."""
    items = value.get("items")
    if value.get("kind") != "List" or not isinstance(items, list):
        yield keys, value
        return
    for index, item in enumerate(items):
        if isinstance(item, Mapping):
            yield from _flat((*keys, "items", index), item)
        else:
            yield (*keys, "items", index), {}


def _problems(document: Source, keys: Keys, value: Mapping[str, Any]) -> Iterator[Problem]:
    """What an object lacks."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    needed: tuple[tuple[Keys, Any, re.Pattern[str], str], ...] = (
        (("apiVersion",), value.get("apiVersion"), _VERSION, "such as apiVersion: apps/v1"),
        (("kind",), value.get("kind"), _KIND, "such as kind: Deployment"),
        (("metadata", "name"), metadata.get("name"), _NAME, "such as metadata: {name: shop}"),
    )
    for at, given, form, hint in needed:
        if given is None:
            yield document.problem((*keys, *at), "is missing", hint)
        elif not isinstance(given, str) or not form.fullmatch(given):
            yield document.problem((*keys, *at), f"has the wrong form: {shown(given)}", hint)
    namespace = metadata.get("namespace")
    if namespace is not None and not (isinstance(namespace, str) and _NAME.fullmatch(namespace)):
        yield document.problem((*keys, "metadata", "namespace"), f"has the wrong form: {shown(namespace)}")
    for reference in Object("", 0, value).images():
        if not is_reference(reference):
            message = f"{shown(reference)} is not a reference of an image"
            hint = f"such as docker.io/library/nginx:1.29, with a tag of at most {LONGEST_TAG} characters"
            yield document.problem(keys, message, hint)
