"""The guard against plans that destroy etcd data, or several control-plane machines, that the user did not name."""

from __future__ import annotations

import re
from collections.abc import Sequence

from generator.errors import UserError
from generator.terraform import Plan

DATA = re.compile(r'(?:disk|volume)\.etcd\["(?P<machine>[^"]+)"\]$')
MACHINE = re.compile(r'\.machine\["(?P<machine>(?:etcd|master)\d+)"\]$')


def check(plan: Plan, may_destroy: Sequence[str]) -> None:
    """UserError where `plan` destroys the data of an etcd member, or several control-plane machines at once.

    Machines that `may_destroy` names are allowed.
    """
    data, machines = _destroyed(plan, DATA), _destroyed(plan, MACHINE)
    unnamed = [name for name in data if name not in may_destroy]
    if unnamed:
        raise UserError(f"This plan destroys what etcd holds on {', '.join(unnamed)}.", _remedy(unnamed))
    unnamed = [name for name in machines if name not in may_destroy]
    if len(machines) > 1 and unnamed:
        raise UserError(
            f"This plan destroys {len(machines)} machines of the control plane at once: {', '.join(machines)}.",
            _remedy(unnamed),
        )


def _destroyed(plan: Plan, kind: re.Pattern[str]) -> list[str]:
    addresses = (change.address for change in plan.changes if change.action in ("delete", "replace"))
    matches = (kind.search(address) for address in addresses)
    return list(dict.fromkeys(match["machine"] for match in matches if match))  # its subnet may go with a machine


def _remedy(names: Sequence[str]) -> str:
    options = " ".join(f"--may-destroy {name}" for name in names)
    return f"Nothing was changed. To allow it, add {options}."
