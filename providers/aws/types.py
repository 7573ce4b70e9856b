"""Instance types as EC2 describes them."""

from __future__ import annotations

from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import sizes
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "look at the instance types"
FIX = "Fix providers.aws.sizes."


def described(session: Session, definition: Definition) -> dict[str, dict[str, Any]]:
    """Every type that the cluster is made of; UserError where one is unknown or does not suit the cluster."""
    groups = sizes.groups(definition)
    wanted = sorted({group.type for group in groups})
    try:
        found = session.items("ec2", "describe_instance_types", "InstanceTypes", LOOK, InstanceTypes=wanted)
    except AwsError as error:
        if error.code != "InvalidInstanceType":
            raise
        raise UserError(f"{session.region} lacks one of the types {', '.join(wanted)}.", FIX) from None
    types = {kind["InstanceType"]: kind for kind in found}
    if unknown := [name for name in wanted if name not in types]:
        raise UserError(f"{session.region} has no instance type {', '.join(unknown)}.", FIX)
    for group in groups:
        has = types[group.type]["ProcessorInfo"]["SupportedArchitectures"]
        if sizes.ARCHITECTURES[group.arch] not in has:
            message = f"{group.type} is for {', '.join(has)}, but machines of {group.name} are {group.arch}."
            raise UserError(message, FIX)
    if xen := [name for name in wanted if types[name].get("Hypervisor") == "xen"]:
        raise UserError(
            f"{', '.join(xen)} runs on Xen. Machines need a type of the Nitro system, whose disks are NVMe.",
            "Choose a later generation in providers.aws.sizes, such as t3 for t2 and m5 for m4.",
        )
    return types
