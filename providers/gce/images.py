"""The images that machines start as: Debian 13's own, or those that the definition gives."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import RELOCK
from providers.gce import section
from providers.gce.refusal import GoogleError
from providers.gce.session import Session
from providers.gce.sizes import ARCHITECTURES

LOOK = "look at the machines' image"
DEBIAN = "debian-cloud"
FAMILIES = {"amd64": "debian-13", "arm64": "debian-13-arm64"}


def chosen(session: Session, definition: Definition) -> dict[str, str]:
    """Architecture -> image: the definition's, checked, else the newest of Debian 13."""
    given = section.of(definition).images
    return {
        arch: check(session, given[arch], arch) if arch in given else _newest(session, arch)
        for arch in definition.architectures
    }


def check(session: Session, image: str, arch: str) -> str:
    """`image`, if it can be started on `arch`; UserError where not."""
    project, name = image.split("/")[1], image.split("/")[4]
    where = f"Give another in providers.gce.images, or remove that to use Debian's image; then run {RELOCK}."
    try:
        found = session.call("ImagesClient", "get", LOOK, project=project, image=name)
    except GoogleError as error:
        if error.gone:
            raise UserError(f"The machine image {image} is not there.", where) from None
        raise
    if (found.status and found.status != "READY") or found.deprecated.state in ("OBSOLETE", "DELETED"):
        raise UserError(f"The machine image {image} is {found.deprecated.state or found.status}.", where)
    if found.architecture and found.architecture != ARCHITECTURES[arch]:
        message = f"The machine image {image} is for {found.architecture}, and machines of {arch} need another."
        raise UserError(message, where)
    return image


def _newest(session: Session, arch: str) -> str:
    try:
        found = session.call("ImagesClient", "get_from_family", LOOK, project=DEBIAN, family=FAMILIES[arch])
    except GoogleError as error:
        if not error.gone:
            raise
        raise UserError(
            f"Debian ({DEBIAN}) has no image of family {FAMILIES[arch]}.",
            f"Give one of your own: providers.gce.images: {{{arch}: projects/PROJECT/global/images/NAME}}.",
        ) from None
    return f"projects/{DEBIAN}/global/images/{found.name}"
