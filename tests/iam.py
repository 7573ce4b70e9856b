"""What IAM policies allow: enough of AWS's evaluation for the policies of this project, and an error past that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Policy = Mapping[str, Any]
Context = Mapping[str, str]

_NONE: Mapping[str, str] = {}

_KEYS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def allowed(
    policies: Iterable[Policy],
    action: str,
    resource: str,
    context: Context = _NONE,
    principal: Mapping[str, str] = _NONE,
) -> bool:
    """Whether `policies` together allow the call: some statement must, and none may deny it.

    `principal` is {"AWS" or "Service": who}; {} for policies of the caller's own, which name nobody.
    """
    found = [statement for policy in policies for statement in policy["Statement"]]
    effects = {s["Effect"] for s in found if _applies(s, action, resource, context, principal)}
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Policy, action: str, resource: str, context: Context, principal: Mapping[str, str]) -> bool:
    if unknown := statement.keys() - _KEYS:
        raise NotImplementedError(f"statements with {', '.join(sorted(unknown))}")
    return (
        any(_like(action.lower(), pattern.lower()) for pattern in _many(statement["Action"]))
        and any(_like(resource, pattern) for pattern in _many(statement["Resource"]))
        and _is_meant(statement.get("Principal"), principal)
        and all(
            _OPERATORS[operator](context.get(key), _many(wanted))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _is_meant(named: Any, principal: Mapping[str, str]) -> bool:
    if named is None:
        return not principal
    if named == "*":
        return True
    return any(
        who in _many(named.get(kind, ())) or "*" in _many(named.get(kind, ())) for kind, who in principal.items()
    )


# A value that the request does not have is None: it equals nothing, and so differs from everything.
_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "StringEquals": lambda value, wanted: value in wanted,
    "StringNotEquals": lambda value, wanted: value not in wanted,
    "ArnLike": lambda value, wanted: value is not None and any(_like(value, pattern) for pattern in wanted),
    "Null": lambda value, wanted: str(value is None).lower() in wanted,
    "Bool": lambda value, wanted: value in wanted,
}


def _like(text: str, pattern: str) -> bool:
    """AWS's wildcards: * is any text, ? any one character."""
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL))


def _many(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
