"""Values of a schema: what can only be known later, what may not be set, and what is made up in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from providers.local.terraform.schema import UNKNOWN, State
from tests.offline.jsii import Block

Path = tuple[str | int, ...]


def children(block: Block, value: State) -> Iterator[tuple[Block, State, Path]]:
    """(block, value, path) of each nested block that is known to be there."""
    for name, nested in block["blocks"].items():
        inner = value.get(name)
        if inner is None or inner is UNKNOWN:
            continue
        keyed = {(): inner} if nested["nesting"] == "single" else _keyed(inner)
        yield from ((nested["block"], one, (name, *key)) for key, one in keyed.items() if one is not UNKNOWN)


def _keyed(collection: Any) -> dict[Path, Any]:
    pairs = collection.items() if isinstance(collection, dict) else enumerate(collection)
    return {(key,): one for key, one in pairs}


def computed_only(block: Block, config: State) -> Iterator[Path]:
    """The paths of what is configured though only the provider can set it."""
    for name, attribute in block["attributes"].items():
        if not attribute.get("optional") and not attribute.get("required") and config.get(name) is not None:
            yield (name,)
    for inner, value, path in children(block, config):
        yield from (path + deeper for deeper in computed_only(inner, value))


def planned(block: Block, proposed: State) -> State:
    """Terraform's proposal with UNKNOWN for what the provider computes, also in blocks; write-only values are null."""
    for name, attribute in block["attributes"].items():
        if attribute.get("write_only"):
            proposed[name] = None
        elif attribute.get("computed") and proposed[name] is None:
            proposed[name] = UNKNOWN
    for inner, value, _ in children(block, proposed):
        planned(inner, value)
    return proposed


def settled(block: Block, value: State, invent: Callable[[str], str]) -> State:
    """The planned state with a made-up value for each UNKNOWN; `invent` makes an attribute's string."""
    for name, attribute in block["attributes"].items():
        if value[name] is UNKNOWN:
            value[name] = made_up(attribute["type"], invent(name))
    for inner, each, _ in children(block, value):
        settled(inner, each, invent)
    return value


def made_up(kind: Any, text: str) -> Any:
    """A value of a cty type: `text` for a string, zero for a number, nothing in a collection."""
    if isinstance(kind, list):
        if kind[0] == "object":
            return {name: made_up(inner, text) for name, inner in kind[1].items()}
        return {} if kind[0] == "map" else []
    return {"string": text, "number": 0, "bool": False, "dynamic": None}[kind]
