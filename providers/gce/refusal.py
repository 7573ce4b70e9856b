"""What Google's libraries raise, as one line and its remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from generator.errors import UserError

SIGN_IN = "Sign in: `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name a key file."
_DISABLED = ("SERVICE_DISABLED", "accessNotConfigured")
_QUOTA = ("quotaExceeded", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED_REGIONAL")
_THROTTLED = ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED")


class GoogleError(UserError):
    """A request that Google refused, or that did not reach it (`status` is 0 then). `status` is HTTP's."""

    def __init__(self, message: str, hint: str, status: int = 0, *, disabled: bool = False) -> None:
        super().__init__(message, hint)
        self.status = status
        self.disabled = disabled  # the API is not enabled, so nobody may ask anything of it

    @property
    def denied(self) -> bool:
        return self.status == 403 and not self.disabled

    @property
    def gone(self) -> bool:
        return self.status == 404

    @property
    def passing(self) -> bool:
        """Whether the same request may well be answered later."""
        return self.status in (429, 500, 502, 503, 504)


def explain(error: Exception, purpose: str, project: str) -> GoogleError:
    """The error to raise for `error`; `purpose` ends the sentence "Google was asked to ..."."""
    if type(error).__name__ == "RetryError" and isinstance(cause := getattr(error, "cause", None), Exception):
        return explain(cause, purpose, project)
    names = {kind.__name__ for kind in type(error).__mro__}
    if "DefaultCredentialsError" in names:
        return GoogleError("There are no Google credentials.", SIGN_IN)
    if "RefreshError" in names or "ReauthFailError" in names:
        return GoogleError(f"The Google credentials have expired: {_line(error)}", SIGN_IN, 401)
    if "GoogleAPICallError" in names:
        details = [d for d in getattr(error, "details", ()) or () if isinstance(d, Mapping)]
        errors = [e for e in getattr(error, "errors", ()) or () if isinstance(e, Mapping)]
        return refused(int(getattr(error, "code", 0) or 0), _said(error), [*errors, *details], purpose, project)
    if "GoogleAuthError" in names and "TransportError" not in names:
        return GoogleError(f"Google does not know these credentials: {_line(error)}", SIGN_IN, 401)
    message = f"Google was asked to {purpose}, and could not be reached: {_line(error)}"
    return GoogleError(message, "See to this computer's way to the internet, and to its proxy.")


def answer(status: int, body: Mapping[str, Any], purpose: str, project: str) -> GoogleError:
    """The error to raise for an answer of a JSON API."""
    error = body.get("error", {}) if isinstance(body.get("error"), Mapping) else {"message": str(body.get("error", ""))}
    found = [*error.get("errors", ()), *error.get("details", ()), {"reason": error.get("status", "")}]
    return refused(status, str(error.get("message", "")), found, purpose, project)


def refused(status: int, said: str, found: list[Mapping[str, Any]], purpose: str, project: str) -> GoogleError:
    """The error for a refusal with HTTP status `status`; `found` is what came with it."""
    reasons = {str(each.get("reason", "")) for each in found}
    said, asked = _line(said), f"Google was asked to {purpose}"
    if status == 401:
        return GoogleError("Google does not know these credentials, or they have expired.", SIGN_IN, status)
    if reasons & set(_DISABLED) or "has not been used in project" in said:
        service = _service(said, found)
        return GoogleError(
            f"The API {service} is not enabled in project {project} ({asked}).",
            f"Enable it: gcloud services enable {service} --project {project}",
            status,
            disabled=True,
        )
    if reasons & set(_THROTTLED) or status == 429:
        return GoogleError(f"{asked}, and has had enough requests for now.", "Run the same command again.", 429)
    if reasons & set(_QUOTA):
        hint = f"Ask for more: https://console.cloud.google.com/iam-admin/quotas?project={project}"
        return GoogleError(f"A quota of project {project} is used up: {said}", hint, status)
    if status == 403 and "billing" in said.lower():
        return GoogleError(
            f"Project {project} has no billing: {said}",
            f"Link an account: gcloud billing projects link {project} --billing-account ACCOUNT",
            status,
        )
    if status == 403:
        permission = re.search(r"'([a-zA-Z]+\.[a-zA-Z.]+)'|permission[: ]+([a-zA-Z]+\.[a-zA-Z.]+)", said)
        needed = next((group for group in permission.groups() if group), "") if permission else ""
        who = f" permission {needed}" if needed else " the right role"
        return GoogleError(f"{asked}, and does not allow it: {said}", f"Ask for{who} in project {project}.", status)
    if status >= 500:
        return GoogleError(
            f"{asked}, and has a fault of its own: {status} {said}", "Run the same command again.", status
        )
    return GoogleError(
        f"{asked}, and refused: {status} {said}", "Mend what it says, then run the same command again.", status
    )


def _service(said: str, found: list[Mapping[str, Any]]) -> str:
    """The API that is not enabled, such as compute.googleapis.com."""
    named = (str(each.get("metadata", {}).get("service", "")) for each in found if each.get("metadata"))
    match = re.search(r"[a-z]+\.googleapis\.com", said)
    return next(filter(None, named), "") or (match[0] if match else "compute.googleapis.com")


def _said(error: Exception) -> str:
    """Its message without the address that was asked."""
    return re.sub(r"^[A-Z]+ https?://\S+: ", "", str(getattr(error, "message", error)))


def _line(text: object) -> str:
    return " ".join(str(text).split())[:300]
