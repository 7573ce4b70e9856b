"""The JSON of `aws_iam_policy_document`."""

from __future__ import annotations

import json
import zlib
from typing import Any

from providers.local.terraform.schema import State

Statement = dict[str, Any]
_LISTS = {
    "actions": "Action",
    "not_actions": "NotAction",
    "resources": "Resource",
    "not_resources": "NotResource",
}


def answer(config: State) -> State:
    """The data source's computed attributes."""
    document = render(config)
    text = json.dumps(document, indent=2)
    return {
        "json": text,
        "minified_json": json.dumps(document, separators=(",", ":")),
        "version": document["Version"],
        "id": str(zlib.crc32(text.encode())),
    }


def render(config: State) -> dict[str, Any]:
    """The policy. Source documents come first, then the statements, then overrides; a later Sid replaces its like."""
    statements: list[Statement] = []
    for source in config.get("source_policy_documents") or []:
        _merge(statements, json.loads(source)["Statement"])
    version = config.get("version") or "2012-10-17"
    _merge(statements, [_statement(each, version) for each in config.get("statement") or []])
    for override in config.get("override_policy_documents") or []:
        _merge(statements, json.loads(override)["Statement"])
    document: dict[str, Any] = {"Version": version}
    if config.get("policy_id"):
        document["Id"] = config["policy_id"]
    return {**document, "Statement": statements}


def _merge(statements: list[Statement], others: list[Statement] | Statement) -> None:
    for other in others if isinstance(others, list) else [others]:
        sid = other.get("Sid")
        same = [index for index, each in enumerate(statements) if sid and each.get("Sid") == sid]
        if same:
            statements[same[0]] = other
        else:
            statements.append(other)


def _statement(block: State, version: str) -> Statement:
    statement: Statement = {"Sid": block["sid"]} if block["sid"] else {}
    statement["Effect"] = block["effect"] or "Allow"
    for name, key in _LISTS.items():
        if block[name]:
            statement[key] = _one_or_many(sorted(_variables(block[name], version), reverse=True))
    for name, key in {"principals": "Principal", "not_principals": "NotPrincipal"}.items():
        if block[name]:
            statement[key] = _principals(block[name])
    if block["condition"]:
        statement["Condition"] = _conditions(block["condition"], version)
    return statement


def _principals(blocks: list[State]) -> Any:
    """{type: identifiers}; everyone, of every type, is a bare star."""
    found: dict[str, list[str]] = {}
    for block in blocks:
        found.setdefault(block["type"], []).extend(block["identifiers"])
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_many(sorted(names, reverse=True)) for kind, names in sorted(found.items())}


def _conditions(blocks: list[State], version: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, list[str]]] = {}
    for block in blocks:
        values = _variables(block["values"], version)
        found.setdefault(block["test"], {}).setdefault(block["variable"], []).extend(values)
    return {
        test: {name: _one_or_many(values) for name, values in sorted(variables.items())}
        for test, variables in sorted(found.items())
    }


def _variables(values: list[str], version: str) -> list[str]:
    """IAM's variables are written `&{...}` in HCL; the oldest policy language has none."""
    return list(values) if version == "2008-10-17" else [value.replace("&{", "${") for value in values]


def _one_or_many(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
