"""What the state keeps of a definition and its lock, so that the next ones are compared with it. No secret. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from generator.definition import Definition
from generator.lock import Lock
from generator.schema.changes import CHANGES, NEVER, Difference

Fields = Mapping[str, Any]  # JSON values by path, such as spec.workers[general].count
_KEY = re.compile(r"\[[^]]*\]")  # which of several, in a path


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that is to differ from what was applied, and the `effect` of that: see `generator.schema.changes`.

    `field` is its name in the table, and `path` says which pool is meant. `note` is for a person, "" for nothing.
    """

    field: str
    path: str
    before: Any
    after: Any
    effect: str
    note: str

    @property
    def of_lock(self) -> bool:
        """Whether the field is one of the lock's."""
        return self.path.startswith("lock.")


def fields(definition: Definition, lock: Lock, target: str) -> Fields:
    """What is recorded of a cluster on `target`: each field that its changes are compared by."""
    values = _values(definition, lock, target)
    compared = (path for path, rule in CHANGES.items() if rule.compared)
    found = (pair for path in compared for pair in _at(values, path.split("."), "", target))
    return json.loads(json.dumps(dict(found), default=str))  # type: ignore[no-any-return]


def document(recorded: Fields) -> bytes:
    """As JSON that is the same for the same fields."""
    return json.dumps(recorded, indent=1, sort_keys=True).encode() + b"\n"


def compare(applied: Fields, wanted: Fields, target: str) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order of the table.

    A field that one side lacks is of another version of anywhere, or of a pool that comes or goes: it is no change.
    """
    return tuple(
        _change(Difference(path, applied[path], value, applied, wanted), target)
        for path, value in wanted.items()
        if path in applied and applied[path] != value
    )


def _change(found: Difference, target: str) -> FieldChange:
    field = _KEY.sub("[]", found.path)
    rule = CHANGES[field]
    effect = rule.decide(target, found)
    note = rule.note if effect == NEVER else rule.notice(effect)
    return FieldChange(field, found.path, found.before, found.after, effect, note)


def _values(definition: Definition, lock: Lock, target: str) -> dict[str, Any]:
    """All there is, nested as in the files; the driver is the one that was decided on."""
    pools = {pool.name: asdict(pool) for pool in definition.workers}
    section = getattr(definition.providers, target)
    secrets = lock.public_secrets(target)
    return {
        "spec": {
            "kubernetes": {"version": definition.kubernetes},
            "etcd": asdict(definition.etcd),
            "masters": asdict(definition.masters),
            "workers": pools,
            "network": {**asdict(definition.network), "driver": lock.driver},
            "rollout": asdict(definition.rollout),
            "os": asdict(definition.os),
            "registry": asdict(definition.registry) if definition.registry else {},
            "proxy": asdict(definition.proxy) if definition.proxy else {},
            "addons": definition.addons,
            "access": {"ssh_keys": definition.ssh_keys, "api_names": definition.api_names},
        },
        "providers": {target: asdict(section) if section else {}},
        "lock": {
            "packages": {arch: packages.sha256 for arch, packages in lock.packages.items()},
            "base": lock.base and lock.base.sha256,
            "blocks": lock.blocks,
            "founders": list(lock.founders.get(target, ())),
            "facts": {target: lock.facts.get(target, {})},
            "secrets": {
                "store": lock.secrets.store if lock.secrets else "",
                "targets": {
                    target: {
                        "generation": secrets.generation if secrets else 0,
                        "authorities": secrets.authorities if secrets else {},
                    }
                },
            },
        },
    }


def _at(value: Any, path: list[str], before: str, target: str) -> Iterator[tuple[str, Any]]:
    """The values at `path`, each with its own; what is left out is None, and other targets have nothing."""
    if not path:
        yield before.removeprefix("."), value
        return
    name, *rest = path
    if name.endswith("[]"):
        for key, child in value[name.removesuffix("[]")].items():
            yield from _at(child, rest, f"{before}.{name.removesuffix('[]')}[{key}]", target)
    elif before in (".providers", ".lock.facts") and name != target:
        return
    else:
        yield from _at(value.get(name) if value else None, rest, f"{before}.{name}", target)
