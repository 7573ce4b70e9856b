"""What Terraform says, for a person: its progress, its diagnostics and what to do about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from generator.errors import UserError

Event = Mapping[str, Any]
# Warnings about -target, which is used only as part of a whole plan that comes after it.
_TARGETED = ("Resource targeting is in effect", "Applied changes may be incomplete")
_REMEDY = "Fix that and run the same command again. Changes that were made are kept."
# Another run wrote the state between the plan and its apply: this plan will never fit again.
_STALE = "Saved plan is stale|Saved plan does not match the given state"
_PROTECTED = re.compile(r'Resource\s+(\S+\["([^"]+)"\])\s+has\s+lifecycle\.prevent_destroy')
_HINTS = {  # by a pattern of what Terraform says
    "Error acquiring the state lock": "Another run is at work on this cluster: wait until it has ended, then run again."
    " A lock that a dead run left: terraform force-unlock ID, in the rendered folder.",
    "Backend configuration changed|state migration|Unsetting the previously set backend": "Run"
    " terraform init -migrate-state once in the rendered folder: it moves state.",
    "Failed to (query available|resolve) provider packages|Failed to install provider": "Terraform downloads the"
    " provider of a target: reach its registry, or, where that is reached, run terraform providers mirror"
    " ~/.terraform.d/plugins in the rendered folder, and bring that folder to the same place here."
    " A checkout of anywhere plans without: make offline.",
    "bucket.*(does not|doesn't) exist": "Make it: `anywhere backend create`.",
}


def describe(event: Event) -> str:
    """One line for a person about what Terraform does, "" where it is not worth one."""
    hook = event.get("hook", {})
    address = hook.get("resource", {}).get("addr", "")
    match event.get("type"):
        case "apply_start":
            return f"{address}: {hook['action']}"
        case "apply_complete":
            return f"{address}: {hook['action']} done after {hook.get('elapsed_seconds', 0)} s"
        case "apply_errored":
            return f"{address}: {hook['action']} failed"
        case "provision_progress":
            return f"{address}: {hook.get('output', '')}"
        case "diagnostic" if event["diagnostic"]["severity"] == "warning":
            summary = event["diagnostic"]["summary"]
            return "" if summary in _TARGETED else f"warning: {summary}"
    return ""


def raise_for(diagnostics: list[Event], status: int, text: str = "") -> None:
    """UserError from Terraform's diagnostics, else from what it printed."""
    if not diagnostics and status == 0:
        return
    said = "\n".join(explain(d) for d in diagnostics) or plain(text) or f"it ended with status {status} and no word"
    if re.match(_STALE, said):
        raise UserError(
            "The plan is out of date: the state changed after it was made.",
            "Another run was at work on this cluster. Plan again, and review that plan: what was done is kept.",
        )
    if protected := sorted(set(_PROTECTED.findall(said))):
        # Terraform's own advice is to take the protection away.
        options = " ".join(f"--may-destroy {machine}" for _, machine in protected)
        raise UserError(
            f"This plan destroys {', '.join(address for address, _ in protected)}.",
            f"Nothing was changed. To allow it, add {options}.",
        )
    hints = (hint for pattern, hint in _HINTS.items() if re.search(pattern, said))
    raise UserError(f"Terraform failed: {said}", next(hints, _REMEDY))


def explain(diagnostic: Event) -> str:
    """A diagnostic as one paragraph: where, what, why."""
    place = diagnostic.get("range") or {}
    where = f"{place['filename']}:{place['start']['line']}: " if place.get("filename") else ""
    address = f"{diagnostic['address']}: " if diagnostic.get("address") else ""
    detail = "".join(f"\n  {line}" for line in (diagnostic.get("detail") or "").splitlines())
    return f"{where}{address}{diagnostic['summary']}{detail}"


def plain(text: str) -> str:
    """Terraform's boxed messages without the box."""
    lines = [line.strip("│╷╵ \n") for line in text.splitlines()]
    return "\n".join(line for line in lines if line)
