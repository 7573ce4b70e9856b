"""What a plan would take away that cannot be had back, and which of it the user named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from generator.errors import UserError
from generator.terraform import Plan

DATA = re.compile(r'(?:disk|volume)\.etcd\["(?P<machine>[^"]+)"\]$')
MACHINE = re.compile(r'\.machine\["(?P<machine>(?:etcd|master)\d+)"\]$')

MayDestroy = Annotated[
    list[str],
    typer.Option("--may-destroy", metavar="MACHINE", help="Allow a plan to destroy this machine's etcd data, or it."),
]


def refuse(plan: Plan, named: Sequence[str]) -> None:
    """UserError where `plan` destroys etcd data, or several control-plane machines, that are not all `named`."""
    data, machines = _destroyed(plan, DATA), _destroyed(plan, MACHINE)
    unnamed = [name for name in data if name not in named]
    if unnamed:
        raise UserError(f"This plan destroys what etcd holds on {', '.join(unnamed)}.", _remedy(unnamed))
    unnamed = [name for name in machines if name not in named]
    if len(machines) > 1 and unnamed:
        raise UserError(
            f"This plan destroys {len(machines)} machines of the control plane at once: {', '.join(machines)}.",
            _remedy(unnamed),
        )


def _destroyed(plan: Plan, kind: re.Pattern[str]) -> list[str]:
    gone = (change.address for change in plan.changes if change.action in ("delete", "replace"))
    found = (kind.search(address) for address in gone)
    return list(dict.fromkeys(match["machine"] for match in found if match))  # its subnet may go with a machine


def _remedy(names: Sequence[str]) -> str:
    options = " ".join(f"--may-destroy {name}" for name in names)
    return f"Nothing was changed. Say {options} if that is what you want."
