"""Machine images: Debian's own, by owner and name, or those that the definition gives."""

from __future__ import annotations

from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import RELOCK
from providers.aws import section
from providers.aws.refusal import AwsError
from providers.aws.session import Session
from providers.aws.sizes import ARCHITECTURES

DEBIAN = "136693071363"  # the account that Debian publishes its images from
NAME = "debian-13-{arch}-*"
LOOK = "look for machine images"
ROOT = "/dev/xvda"  # launch templates name it, to have it encrypted and as large as its size says


def chosen(session: Session, definition: Definition) -> dict[str, str]:
    """Architecture -> image id: the definition's, checked, else the newest of Debian 13."""
    given = section.of(definition).images
    return {
        arch: check(session, given[arch], arch) if arch in given else _newest(session, arch)
        for arch in definition.architectures
    }


def check(session: Session, image: str, arch: str) -> str:
    """`image`, if it can be started here on `arch`; UserError where not."""
    found = _image(session, image)
    where = f"Give one of {session.region} in providers.aws.images, or remove that to use Debian's image"
    if found is None or found.get("State") != "available":
        state = found.get("State") if found else "not there, or not for this account"
        raise UserError(f"The machine image {image} is {state} in {session.region}.", _then_relock(where))
    if found.get("Architecture") != ARCHITECTURES[arch]:
        message = f"The machine image {image} is for {found.get('Architecture')}, and machines of {arch} need another."
        raise UserError(message, _then_relock(where))
    if found.get("RootDeviceName") != ROOT:
        message = f"The root device of machine image {image} is {found.get('RootDeviceName')}, and must be {ROOT}."
        raise UserError(message, _then_relock("Take one that is made from Debian's own"))
    return image


def _then_relock(remedy: str) -> str:
    return f"{remedy}; then run {RELOCK}."


def _image(session: Session, image: str) -> dict[str, Any] | None:
    try:
        found = session.items("ec2", "describe_images", "Images", LOOK, ImageIds=[image])
    except AwsError as error:
        if not error.code.startswith("InvalidAMIID"):
            raise
        return None
    return found[0] if found else None


def _newest(session: Session, arch: str) -> str:
    name = NAME.format(arch=arch)
    filters = {
        "name": name,
        "architecture": ARCHITECTURES[arch],
        "state": "available",
        "virtualization-type": "hvm",
        "root-device-type": "ebs",
    }
    found = session.items(
        "ec2",
        "describe_images",
        "Images",
        LOOK,
        Owners=[DEBIAN],
        Filters=[{"Name": key, "Values": [value]} for key, value in filters.items()],
    )
    if not found:
        raise UserError(
            f"Debian ({DEBIAN}) has no image {name} in {session.region}.",
            f"Give one of your own: providers.aws.images: {{{arch}: ami-...}}.",
        )
    return str(max(found, key=lambda image: (image["CreationDate"], image["ImageId"]))["ImageId"])
