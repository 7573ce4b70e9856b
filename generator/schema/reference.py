"""The reference of `cluster.yaml` as a page of Markdown, out of the schema itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from generator.definition import ARCHITECTURES, SIZES
from generator.schema import json_schema, kept_flags
from generator.schema.changes import CHANGES
from generator.sections import Types

HEAD = """\
# The cluster definition

Every field of `cluster.yaml`, and what a change of it does to a cluster that was applied. `anywhere schema` prints the
same as JSON Schema, for editors. This page is generated: `anywhere schema --markdown`.

- **live**: the next `apply` changes the running cluster, in place.
- **new machines only**: machines that are there keep what they have; `plan` says so.
- **replaces machines**: those that are there are destroyed, and new ones made.
- **never**: `plan` and `apply` stop with an error that says what was applied, and nothing is changed. Another value
  takes a new cluster, under another `metadata.name`.

What was applied is compared with the definition and its lock. It is in Terraform's state, as the output `applied`.

`apiVersion: anywhere/v1` and `kind: Cluster` begin each definition.
"""
Block = Mapping[str, Any]


def page(types: Mapping[str, Types]) -> str:
    """The whole page; `types` are the machine types of sizes by target."""
    sections: dict[str, list[str]] = {}
    for path, field, required in fields():
        sections.setdefault(_section(path), []).append(_row(path, field, required))
    tables = (f"\n## {name}\n\n{_HEADER}\n" + "".join(rows) for name, rows in sections.items())
    return HEAD + "".join(tables) + _kept() + _lock() + _sizes(types)


def fields() -> Iterator[tuple[str, Block, bool]]:
    """(path, JSON Schema, whether it must be given) of every field that holds a value."""
    schema = json_schema()
    found = _walk(schema, schema["$defs"], "")
    yield from (each for each in found if each[0] not in ("apiVersion", "kind"))


_HEADER = "| Field | Type | Default | What it is | A change |\n|---|---|---|---|---|"


def _walk(block: Block, defs: Mapping[str, Block], prefix: str) -> Iterator[tuple[str, Block, bool]]:
    for name, field in block["properties"].items():
        path = f"{prefix}{name}"
        inner = _inner(field)
        if inner is None or "anyOf" in field.get("items", ()):  # each a word, or several keys
            yield path, field, name in block.get("required", ())
        if inner:
            ref, several = inner
            yield from _walk(defs[ref], defs, f"{path}[]." if several else f"{path}.")


def _inner(field: Block) -> tuple[str, bool] | None:
    """The definition that a field refers to, and whether it holds several."""
    for choice in (*reversed(field.get("anyOf", ())), field):
        several = choice.get("type") == "array"
        item = choice.get("items", {}) if several else choice
        for found in (item, *item.get("anyOf", ())) if several else (item,):
            if ref := found.get("$ref"):
                return ref.rpartition("/")[2], several
    return None


def _section(path: str) -> str:
    """What is in a list has a section of its own."""
    inside, several, _ = path.partition("[]")
    if several:
        return inside
    parts = path.split(".")
    return ".".join(parts[:2]) if len(parts) > 2 else parts[0] if parts[0] != "spec" else path


def _row(path: str, field: Block, required: bool) -> str:
    default = "required" if required else _default(field.get("default"))
    return _line(f"`{path}`", _type(field), default, field.get("description", ""), _change(path))


def _change(path: str) -> str:
    rule = CHANGES[path]
    return f"**{rule.effect}**. {rule.note}".strip()


def _line(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _lock() -> str:
    """What a change of the lock does: `images lock` makes the lock, and it keeps what machines are keyed on."""
    about = "`anywhere images lock` makes the lock, and keeps what may not change. Do not edit it; commit it.\n"
    rows = (_line(f"`{path.removeprefix('lock.')}`", _change(path)) for path in CHANGES if path.startswith("lock."))
    return f"\n## The lock\n\n{about}\n| Field | A change |\n|---|---|\n{''.join(rows)}"


def _kept() -> str:
    """The flags that no definition gives."""
    about = (
        "`spec.components` may set any flag but these; a `*` stands for any text. A flag that the component does not\n"
        "know ends it, and the component is put back as it was.\n"
    )
    rows = (
        _line(
            component,
            ", ".join(f"`{name}`" for name in kept.names),
            f"{kept.reason}; {kept.instead}".removesuffix("; "),
        )
        for component, kept in kept_flags.listed()
    )
    return f"\n## Flags that stay as they are\n\n{about}\n| Component | Flags | Why |\n|---|---|---|\n{''.join(rows)}"


def _default(value: Any) -> str:
    return "" if value in (None, [], {}) else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(field: Block) -> str:
    """A field's type in words."""
    choices = [choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices))
    if words := field.get("enum"):
        return ", ".join(f"`{word}`" for word in words)
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return "mapping"
    match field.get("type"):
        case "array":
            return f"list of {_type(field['items'])}"
        case "object":
            return "mapping"
        case "integer":
            return f"{field['minimum']} to {field['maximum']}"
        case "boolean":
            return "`true`, `false`"
    return "text"


def _sizes(types: Mapping[str, Types]) -> str:
    """What each size is, at least, and which type that is on each cloud."""
    columns = [f"{target} {arch}" for target in types for arch in ARCHITECTURES]
    head = f"| Size | vCPUs | Memory | Disk | {' | '.join(columns)} |\n|{'---|' * (4 + len(columns))}\n"
    rows = (
        f"| `{size.name}` | {size.cpus} | {size.memory // 1024} GiB | {size.disk} GiB | "
        + " | ".join(f"`{types[target][size.name][arch]}`" for target in types for arch in ARCHITECTURES)
        + " |\n"
        for size in SIZES.values()
    )
    about = (
        "A size promises at least this much; a local machine has exactly this. Name other types in `sizes` of\n"
        "`providers.aws` or `providers.gce`: `{medium: m7i.large}`, or `{medium: {arm64: m7g.large}}`.\n"
        "GCE's `e2-small` and `e2-medium` share their cores: two at half speed or less.\n"
    )
    return f"\n## Sizes\n\n{about}\n{head}{''.join(rows)}"
