"""The project: its number, and which of Google's APIs it may use. Service Usage tells both, and is always enabled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from generator.errors import UserError
from providers.gce.refusal import FIX_PROJECT, GoogleError
from providers.gce.session import Session

WHO = "look at the project"
APIS = "see which APIs are enabled"
SERVICES = "https://serviceusage.googleapis.com/v1"


def number(session: Session) -> str:
    """The project's number, which names of buckets end with; UserError where the project may not be seen."""
    try:
        (found,) = _services(session, WHO, ["compute"])
    except GoogleError as error:
        if not error.denied and not error.gone:
            raise
        # Google shows no difference between the two, so that nobody learns of projects that are not theirs.
        message = f"There is no project {session.project}, or these credentials may not see it."
        raise UserError(message, FIX_PROJECT) from None
    return str(found["name"]).split("/")[1]  # projects/NUMBER/services/NAME


def enabled(session: Session, names: Sequence[str]) -> str:
    """That the APIs `names`, such as compute, are enabled; UserError where one is not."""
    found = _services(session, APIS, names)
    if off := [service["name"].rpartition("/")[2] for service in found if service.get("state") != "ENABLED"]:
        raise UserError(
            f"Not enabled in project {session.project}: {', '.join(off)}.",
            f"Enable them: gcloud services enable {' '.join(off)} --project {session.project}",
        )
    return f"{', '.join(names)} are enabled"


def _services(session: Session, purpose: str, names: Sequence[str]) -> list[dict[str, Any]]:
    parent = f"projects/{session.project}"
    asked = "&".join(f"names={parent}/services/{name}.googleapis.com" for name in names)
    found: list[dict[str, Any]] = session.rest(purpose, "GET", f"{SERVICES}/{parent}/services:batchGet?{asked}")[
        "services"
    ]
    return found
