"""The key of the definition's own that all at rest is encrypted with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.errors import UserError
from providers import checks
from providers.gce.refusal import GoogleError
from providers.gce.session import Session

LOOK = "look at the key that encrypts disks"
KMS = "https://cloudkms.googleapis.com/v1"
ROLE = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
AGENTS = ("compute-system", "gs-project-accounts", "gcp-sa-secretmanager")  # that encrypt for disks, buckets, secrets


def usable(session: Session, key: str, number: str) -> str:
    """That `key` encrypts in the region, and that Google's services of the project `number` may use it."""
    location = key.split("/")[3]
    if location != session.region:
        raise UserError(
            f"The key {key} is in {location}, and must be in {session.region}.",
            f"Name one of a key ring in {session.region} in providers.gce.kms_key.",
        )
    found = _described(session, key)
    state = found.get("primary", {}).get("state", "without a version")
    if found.get("purpose") != "ENCRYPT_DECRYPT" or state != "ENABLED":
        what = f"is for {found.get('purpose')}" if found.get("purpose") != "ENCRYPT_DECRYPT" else f"is {state.lower()}"
        raise UserError(f"The key {key} {what}.", "Name an enabled key that encrypts in providers.gce.kms_key.")
    if absent := _absent(session, key, number):
        raise checks.Uncertain(
            f"The key {key} does not itself let {', '.join(absent)} use it.",
            f"Unless its key ring or project does: gcloud kms keys add-iam-policy-binding {key} --role {ROLE} "
            f"--member serviceAccount:{absent[0]}, and so for each.",
        )
    return f"{key} is enabled, and Google's services may use it"


def _described(session: Session, key: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = session.rest(LOOK, "GET", f"{KMS}/{key}")
    except GoogleError as error:
        if not error.gone:
            raise
        raise UserError(f"There is no key {key}.", "Fix providers.gce.kms_key.") from None
    return found


def _absent(session: Session, key: str, number: str) -> list[str]:
    """The agents of Google's services that the key's own policy does not name."""
    policy = session.rest(LOOK, "GET", f"{KMS}/{key}:getIamPolicy")
    may = {member for binding in policy.get("bindings", ()) if binding["role"] == ROLE for member in binding["members"]}
    agents = [f"service-{number}@{service}.iam.gserviceaccount.com" for service in AGENTS]
    return [agent for agent in agents if f"serviceAccount:{agent}" not in may]
