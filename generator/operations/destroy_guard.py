"""The guard against plans that destroy etcd data, or several control-plane machines, that the user did not name."""

from __future__ import annotations

from collections.abc import Sequence

from generator.errors import UserError
from generator.terraform import Plan
from generator.topology import is_control_plane
from providers import Addresses


def check(plan: Plan, may_destroy: Sequence[str], addresses: Addresses) -> None:
    """UserError where `plan` destroys the data of an etcd member, or several control-plane machines at once.

    Machines that `may_destroy` names are allowed.
    """
    check_data(plan, may_destroy, addresses)
    machines = [name for name in _destroyed(plan, addresses.machine) if is_control_plane(name)]
    unnamed = [name for name in machines if name not in may_destroy]
    if len(machines) > 1 and unnamed:
        raise UserError(
            f"This plan destroys {len(machines)} machines of the control plane at once: {', '.join(machines)}.",
            _remedy(unnamed),
        )


def check_data(plan: Plan, may_destroy: Sequence[str], addresses: Addresses) -> None:
    """UserError where `plan` destroys the data of an etcd member whose machine `may_destroy` does not name."""
    unnamed = [name for name in _destroyed(plan, addresses.etcd_disk) if name not in may_destroy]
    if unnamed:
        raise UserError(f"This plan destroys what etcd holds on {', '.join(unnamed)}.", _remedy(unnamed))


def remark(plan: Plan, may_destroy: Sequence[str], addresses: Addresses) -> str:
    """That `may_destroy` names what `plan` does not destroy, such as a name with a typing error; "" where it does."""
    going = {*_destroyed(plan, addresses.machine), *_destroyed(plan, addresses.etcd_disk)}
    staying = ", ".join(name for name in may_destroy if name not in going)
    return f"This plan does not destroy {staying}, which --may-destroy names." if staying else ""


def _destroyed(plan: Plan, resource: str) -> list[str]:
    """The keys of the instances of `resource` that `plan` destroys."""
    return [c.key for c in plan.changes if c.resource == resource and c.action in ("delete", "replace")]


def _remedy(names: Sequence[str]) -> str:
    options = " ".join(f"--may-destroy {name}" for name in names)
    return f"Nothing was changed. To allow it, add {options}."
