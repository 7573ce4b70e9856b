"""What Google's libraries raise, as one line and its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.errors import UserError

SIGN_IN = "Sign in: `gcloud auth application-default login`, or let GOOGLE_APPLICATION_CREDENTIALS name a key file."
FIX_PROJECT = "Fix providers.gce.project, or sign in as somebody who may see it: gcloud auth application-default login"
GCLOUD = "764086051850"  # the project of gcloud itself, in which nobody can enable anything

DISABLED = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
USED_UP = frozenset({"quotaExceeded", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED_REGIONAL"})
UNPAID = frozenset({"BILLING_DISABLED", "accountDisabled"})
IN_USE = frozenset({"resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "resourceNotReady"})

# SERVICE.RESOURCE.VERB, but not a name of Google's hosts.
_PERMISSION = re.compile(
    r"\b(?:compute|storage|iam|secretmanager|serviceusage|resourcemanager|cloudkms)"
    r"\.(?!googleapis|gserviceaccount)[a-zA-Z]+\.[a-zA-Z]+"
)


class GoogleError(UserError):
    """A request that Google refused, or that did not reach it (`status` is 0 then). `status` is HTTP's."""

    def __init__(
        self, message: str, hint: str, status: int = 0, *, unfit: bool = False, reasons: Iterable[str] = ()
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.unfit = unfit  # the project itself is not ready for such requests, whoever makes them
        self.reasons = frozenset(reasons)

    @property
    def denied(self) -> bool:
        return self.status == 403 and not self.unfit

    @property
    def gone(self) -> bool:
        return self.status == 404

    @property
    def in_use(self) -> bool:
        return bool(self.reasons & IN_USE)

    @property
    def passing(self) -> bool:
        """Whether the same request may well be answered later."""
        return self.status in (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Google said instead of an answer. `facts` are the metadata of its ErrorInfo."""

    status: int
    said: str
    purpose: str  # ends the sentence "Google was asked to ..."
    project: str
    reasons: frozenset[str] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)

    def error(self, message: str, hint: str, *, unfit: bool = False) -> GoogleError:
        return GoogleError(message, hint, self.status, unfit=unfit, reasons=self.reasons)


def explain(error: Exception, purpose: str, project: str) -> GoogleError:
    """The error to raise for `error`, which a library of Google's raised."""
    if type(error).__name__ == "RetryError" and isinstance(cause := getattr(error, "cause", None), Exception):
        return explain(cause, purpose, project)
    for name in (kind.__name__ for kind in type(error).__mro__):
        if name in _CAUSES:
            return _CAUSES[name](error, purpose, project)
    return _unreachable(error, purpose, project)


def answered(status: int, body: Any, purpose: str, project: str) -> GoogleError:
    """The error to raise for an answer of a JSON API."""
    if not isinstance(body, Mapping):
        return not_google(purpose)
    error = body.get("error", {})
    if not isinstance(error, Mapping):  # as the token endpoint writes it
        error = {"message": str(error)}
    entries = [*error.get("errors", ()), *error.get("details", ()), {"reason": error.get("status", "")}]
    return refused(_refusal(status, str(error.get("message", "")), entries, purpose, project))


def not_google(purpose: str) -> GoogleError:
    return GoogleError(
        f"Something that is not Google answers in its place (asked to {purpose}).",
        "See to HTTPS_PROXY and ANYWHERE_GCE_ENDPOINT, and whether the network wants a sign-in first.",
    )


def refused(refusal: Refusal) -> GoogleError:
    """The error for a refusal: the first rule that knows it says what."""
    return next(error for rule in _RULES if (error := rule(refusal)))


def _called(error: Exception, purpose: str, project: str) -> GoogleError:
    """What google-cloud-compute raises, of a request or of an operation that failed."""
    said = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(getattr(error, "message", error)))
    if said.lstrip().startswith("<"):
        return not_google(purpose)
    entries = [*(getattr(error, "details", ()) or ()), *(getattr(error, "errors", ()) or ())]
    return refused(_refusal(int(getattr(error, "code", 0) or 0), said, entries, purpose, project))


def _refusal(status: int, said: str, entries: Iterable[Any], purpose: str, project: str) -> Refusal:
    found = list(entries)
    facts: dict[str, str] = {}
    for entry in found:
        if isinstance(entry, Mapping) and isinstance(entry.get("metadata"), Mapping):
            facts |= entry["metadata"]
    return Refusal(status, _line(said), purpose, project, frozenset(map(_reason, found)) - {""}, facts)


def _reason(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return str(entry.get("reason") or entry.get("code") or "")
    return str(getattr(entry, "code", ""))


# Rules: each knows one kind of refusal.


def _unknown(refusal: Refusal) -> GoogleError | None:
    if refusal.status != 401:
        return None
    return refusal.error(
        f"Google does not know these credentials, or they have expired (asked to {refusal.purpose}).", SIGN_IN
    )


def _no_quota_project(refusal: Refusal) -> GoogleError | None:
    if refusal.facts.get("consumer") != f"projects/{GCLOUD}" and "requires a quota project" not in refusal.said:
        return None
    return refusal.error(
        f"These credentials name no project that their requests count for (Google was asked to {refusal.purpose}).",
        f"Name it: gcloud auth application-default set-quota-project {refusal.project}",
        unfit=True,
    )


def _disabled(refusal: Refusal) -> GoogleError | None:
    if not refusal.reasons & DISABLED and "has not been used in project" not in refusal.said:
        return None
    named = re.search(r"[a-z]+\.googleapis\.com", refusal.said)
    service = refusal.facts.get("service") or (named[0] if named else "compute.googleapis.com")
    return refusal.error(
        f"The API {service} is not enabled in project {refusal.project} (asked to {refusal.purpose}).",
        f"Enable it: gcloud services enable {service} --project {refusal.project}",
        unfit=True,
    )


def _throttled(refusal: Refusal) -> GoogleError | None:
    if not refusal.reasons & THROTTLED and refusal.status != 429:
        return None
    return GoogleError(
        f"Google answers too many requests of project {refusal.project} already (asked to {refusal.purpose}).",
        "Wait a minute, then run the same command again.",
        429,
    )


def _used_up(refusal: Refusal) -> GoogleError | None:
    if not refusal.reasons & USED_UP:
        return None
    message = f"A quota of project {refusal.project} is used up: {refusal.said}"
    return refusal.error(message, more(refusal.project), unfit=True)


def more(project: str) -> str:
    """Where to ask for a larger quota."""
    return f"Ask for more: https://console.cloud.google.com/iam-admin/quotas?project={project}"


def _unpaid(refusal: Refusal) -> GoogleError | None:
    if not refusal.reasons & UNPAID and (refusal.status != 403 or "billing" not in refusal.said.lower()):
        return None
    return refusal.error(
        f"Project {refusal.project} has no billing account (Google was asked to {refusal.purpose}).",
        f"Link one: gcloud billing projects link {refusal.project} --billing-account ACCOUNT",
        unfit=True,
    )


def _no_project(refusal: Refusal) -> GoogleError | None:
    """Google shows no difference between a project that is not there and one that may not be seen."""
    named = re.search(r"resource 'projects/[^/']+' was not found|[Pp]roject \S+ has been deleted", refusal.said)
    if not named and "CONSUMER_INVALID" not in refusal.reasons:
        return None
    message = f"There is no project {refusal.project}, or these credentials may not see it."
    return GoogleError(message, FIX_PROJECT, 404)


def _not_counted(refusal: Refusal) -> GoogleError | None:
    if "USER_PROJECT_DENIED" not in refusal.reasons:
        return None
    return refusal.error(
        f"Google denies serviceusage.services.use, without which no request counts for project {refusal.project}.",
        f"Have roles/serviceusage.serviceUsageConsumer granted in project {refusal.project}, or fix "
        "providers.gce.project.",
        unfit=True,
    )


def _denied(refusal: Refusal) -> GoogleError | None:
    if refusal.status != 403:
        return None
    named = _PERMISSION.search(refusal.said)
    permission = refusal.facts.get("permission") or (named[0] if named else "")
    if not permission:
        return refusal.error(
            f"Google denies what is needed to {refusal.purpose}: {refusal.said.rstrip('.')}.",
            f"Have a role with it granted in project {refusal.project}; `anywhere doctor` says to which account.",
        )
    return refusal.error(
        f"Google denies {permission}, which is needed to {refusal.purpose}.",
        f"Have {permission} granted in project {refusal.project}; `anywhere doctor` says to which account.",
    )


def _broken(refusal: Refusal) -> GoogleError | None:
    if refusal.status < 500:
        return None
    return refusal.error(
        f"Google has a fault: {refusal.status} {refusal.said.rstrip('.')} (asked to {refusal.purpose}).",
        "Run the same command again later; status.cloud.google.com says more.",
    )


def _other(refusal: Refusal) -> GoogleError:
    return refusal.error(
        f"Google was asked to {refusal.purpose}, and refused: {refusal.status} {refusal.said}",
        "Fix what it says, then run the same command again.",
    )


_RULES: tuple[Callable[[Refusal], GoogleError | None], ...] = (
    *(_unknown, _no_quota_project, _not_counted, _disabled, _throttled, _used_up, _unpaid, _no_project, _denied),
    *(_broken, _other),
)


# Causes: what kept a request from being answered at all.


def _no_credentials(error: Exception, purpose: str, project: str) -> GoogleError:
    said = _line(error)
    if "default credentials were not found" in said or said == "None":
        return GoogleError("There are no Google credentials.", SIGN_IN)
    return GoogleError(f"The Google credentials cannot be read: {said.rstrip('.')}.", SIGN_IN)


def _expired(error: Exception, purpose: str, project: str) -> GoogleError:
    said = _line(error.args[0] if error.args else error)
    if "iat and exp" in said:
        message = "This computer's clock is not Google's, so Google refuses its credentials."
        return GoogleError(message, "Set the clock: `timedatectl set-ntp true`.", 401)
    return GoogleError(f"The Google credentials have expired: {said.rstrip('.')}.", SIGN_IN, 401)


def _not_known(error: Exception, purpose: str, project: str) -> GoogleError:
    """An answer 401 to credentials that cannot be renewed."""
    return refused(Refusal(401, _line(error), purpose, project))


def _unfit(error: Exception, purpose: str, project: str) -> GoogleError:
    return GoogleError(f"Google does not take these credentials: {_line(error).rstrip('.')}.", SIGN_IN, 401)


def _no_answer_of_google(error: Exception, purpose: str, project: str) -> GoogleError:
    return not_google(purpose)


def _late(error: Exception, purpose: str, project: str) -> GoogleError:
    return GoogleError(f"Google is not done yet (asked to {purpose}).", "Run the same command again.", 504)


def _unreachable(error: Exception, purpose: str, project: str) -> GoogleError:
    # The cause stands at the end, behind an address that may be longer than a line.
    named = re.search(r"\[Errno -?\d+\] [^'\")\]]+|timed out|CERTIFICATE_VERIFY_FAILED", str(error))
    return GoogleError(
        f"Google cannot be reached (asked to {purpose}): {_line(named[0] if named else error).rstrip('.')}.",
        "See to the network, to HTTPS_PROXY and to ANYWHERE_GCE_ENDPOINT.",
    )


def _line(text: object) -> str:
    return " ".join(str(text).split())[:300]


# By the name of the exception, or of one that it derives from.
_CAUSES: Mapping[str, Callable[[Exception, str, str], GoogleError]] = {
    "GoogleAPICallError": _called,
    "InvalidOperation": _not_known,
    "DefaultCredentialsError": _no_credentials,
    "RefreshError": _expired,
    "ReauthFailError": _expired,
    "TransportError": _unreachable,
    "GoogleAuthError": _unfit,
    "ParseError": _no_answer_of_google,
    "TimeoutError": _late,
    "RequestException": _unreachable,
}
