"""Google's regions."""

from __future__ import annotations

from typing import Any

from generator.decode import nearest
from generator.errors import UserError
from providers.gce.refusal import GoogleError
from providers.gce.session import Session

LOOK = "see whether the region is there"


def described(session: Session, purpose: str = LOOK) -> Any:
    """The region, with its quotas; UserError where there is none of that name."""
    try:
        return session.call("RegionsClient", "get", purpose, region=session.region)
    except GoogleError as error:
        if not error.gone:
            raise
    there = sorted(region.name for region in session.items("RegionsClient", "list", purpose))
    raise UserError(
        f"Google has no region {session.region}.", f"Fix providers.gce.region: {nearest(session.region, there)}"
    )


def up(session: Session) -> str:
    """That the region is there and up."""
    status = described(session).status
    if status != "UP":
        raise UserError(f"Region {session.region} is {status.lower()}.", "status.cloud.google.com says more.")
    return f"{session.region} is up"
