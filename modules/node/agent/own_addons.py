"""The add-ons that a definition brings, applied object by object: one that is refused holds up nothing else.

The API keeps a word on each of them, for whoever asks: the version that was applied, and what was refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agent import addon_record, addons, discovery, kubectl
from agent.addons import AGAIN_SECONDS
from agent.api import MERGE, Api, ApiError
from agent.discovery import Discovery, UnknownKind
from agent.files import write
from agent.host import STATE, NodeError, wait

PATH = "/api/v1/namespaces/kube-system/configmaps/anywhere-own-addons"
EMPTY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "anywhere-own-addons"}}
DEFINES = "CustomResourceDefinition"
FIRST = ("Namespace", DEFINES)  # others may be in the one, and of the other
KIND_SECONDS = 15  # until the API serves a kind that was just defined
TOLD = 5  # problems of an add-on that are told

Object = tuple[Mapping[str, Any], Mapping[str, Any]]  # an add-on of the release, and one of its objects


@dataclass
class Applied:
    """What became of a release's objects: `uids` by path, and problems by add-on and object.

    `paths` are those that the release has, applied or not, and `unasked` where the API did not say what it has.
    """

    uids: dict[str, str] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    unasked: set[str] = field(default_factory=set)
    problems: dict[str, dict[str, str]] = field(default_factory=dict)


def apply(release: Mapping[str, Any]) -> None:
    """Apply the add-ons if they changed, were not applied for a while or were refused; then delete what no add-on has.

    Errors as of `Api.call` where the API does not answer; what it refuses is no error.
    """
    wanted = addons.paths(release)
    content = hashlib.sha256(repr((release["own_addons"], sorted(wanted))).encode()).hexdigest()
    done, pruned = STATE / "addons-own", STATE / "addons-pruned"
    if addons.stands(done, content, AGAIN_SECONDS):
        return
    api, made = kubectl.api(), Applied()
    try:
        _apply(api, made, [(addon, each) for addon in release["own_addons"] for each in addon["objects"]])
    finally:
        if made.uids:
            addon_record.add(api, made.uids)
    # Not where a release is applied again: a master that cannot fetch the newest one would delete what that has.
    if not addons.holds(pruned, content):
        addon_record.prune(api, wanted | made.paths, made.unasked)
        write(pruned, content)
    _tell(api, release["own_addons"], made.problems)
    if any(made.problems.values()):
        done.unlink(missing_ok=True)
    else:
        write(done, content)


def _apply(api: Api, made: Applied, objects: Sequence[Object]) -> None:
    """Apply objects in order, but first what others take, and last what has a kind that the API gets meanwhile."""
    kinds = Discovery(api)
    left = _pass(api, kinds, made, sorted(objects, key=lambda each: each[1]["kind"] not in FIRST))

    def none_is_left() -> bool:
        nonlocal left
        kinds.forget()
        left = _pass(api, kinds, made, left)
        return not left

    if left and any(each["kind"] == DEFINES for _, each in objects):
        with suppress(NodeError):
            wait("a new kind", none_is_left, KIND_SECONDS)


def _pass(api: Api, kinds: Discovery, made: Applied, objects: Iterable[Object]) -> list[Object]:
    """Apply each of `objects`; gives those whose kind the API does not have."""
    left = []
    for addon, content in objects:
        problems, name = made.problems.setdefault(addon["name"], {}), _name(content)
        try:
            path = _path(kinds, made, addon, content)
            made.uids[path] = api.apply_one(path, content)
            problems.pop(name, None)
        except UnknownKind as error:
            left.append((addon, content))
            problems[name] = str(error)
        except ApiError as error:
            problems[name] = error.words or str(error)
    return left


def _path(kinds: Discovery, made: Applied, addon: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    try:
        path = kinds.path(content, addon["namespace"])
    except ApiError:
        made.unasked.add(discovery.root_of(content))
        raise
    made.paths.add(path)
    return path


def _name(content: Mapping[str, Any]) -> str:
    """What people call an object."""
    metadata = content["metadata"]
    return f"{content['kind']} {metadata['name']}" + (f" in {metadata['namespace']}" if "namespace" in metadata else "")


def _tell(api: Api, own: Sequence[Mapping[str, Any]], problems: Mapping[str, Mapping[str, str]]) -> None:
    """Keep a word on each add-on in the API, and none on others."""
    said = {addon["name"]: json.dumps(_word(addon, problems.get(addon["name"], {}))) for addon in own}
    for addon in own:
        for name, words in problems.get(addon["name"], {}).items():
            print(f"add-on {addon['name']}: {name}: {words}", flush=True)
    known = _told(api)
    if known != said:
        api.apply_one(PATH, EMPTY)
        api.call("PATCH", PATH, {"data": {**dict.fromkeys(known), **said}}, MERGE)


def _told(api: Api) -> dict[str, str]:
    """What was told before; nothing where nobody ever did."""
    try:
        return dict(api.call("GET", PATH).get("data") or {})
    except ApiError as error:
        if error.status != 404:
            raise
        return {}


def _word(addon: Mapping[str, Any], problems: Mapping[str, str]) -> dict[str, Any]:
    """`more` counts the problems that are not told."""
    told = [f"{name}: {words}" for name, words in sorted(problems.items())]
    return {"version": addon["version"], "problems": told[:TOLD], "more": max(0, len(told) - TOLD)}
