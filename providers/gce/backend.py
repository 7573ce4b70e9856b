"""Where Terraform keeps its state: a bucket of Cloud Storage, which it locks by an object of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import section
from providers.gce.facts import number
from providers.gce.refusal import GoogleError
from providers.gce.session import Session

LOOK = "look at the bucket of Terraform's state"
MAKE = "make the bucket of Terraform's state"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
TRAITS: Mapping[str, Any] = {
    "versioning": {"enabled": True},
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket that a definition names, and where in it the state is."""

    name: str
    prefix: str


def arguments(definition: Definition) -> dict[str, Any] | None:
    """Terraform's backend block, None for state in the rendered folder. Pure."""
    gcs: Mapping[str, str] = section.of(definition).get("backend", {}).get("gcs", {})
    if not gcs:
        return None
    return {"gcs": {"bucket": gcs["bucket"], "prefix": gcs.get("prefix") or definition.name}}


def _named(definition: Definition) -> Bucket:
    given = arguments(definition)
    if given is None:
        raise UserError(
            f"{definition.path} names no backend for GCE.",
            "Add providers.gce.backend: {gcs: {bucket: NAME}}; without it, state is kept beside the rendered files.",
        )
    return Bucket(**{"name": given["gcs"]["bucket"], "prefix": given["gcs"]["prefix"]})


def described(session: Session, bucket: Bucket) -> Mapping[str, Any] | None:
    """The bucket, None where it is not there; UserError where it is another project's."""
    try:
        found = session.rest(LOOK, "GET", f"{STORAGE}/{bucket.name}?projection=noAcl", accepted=(404,))
    except GoogleError as error:
        if error.denied:
            raise _not_ours(session, bucket) from None
        raise
    if found and str(found.get("projectNumber", "")) != number(session):
        raise _not_ours(session, bucket)
    return found  # type: ignore[no-any-return]


def _not_ours(session: Session, bucket: Bucket) -> UserError:
    return UserError(
        f"The bucket {bucket.name} is not of project {session.project}, or may not be looked at.",
        "Names of buckets are unique in the world: write another in providers.gce.backend.gcs.bucket.",
    )


def lacking(found: Mapping[str, Any]) -> list[str]:
    """What a bucket of states should have, and this one has not."""
    access = found.get("iamConfiguration", {})
    has = {
        "versioning": found.get("versioning", {}).get("enabled", False),
        "uniform access": access.get("uniformBucketLevelAccess", {}).get("enabled", False),
        "public access prevention": access.get("publicAccessPrevention") == "enforced",
    }
    return [name for name, there in has.items() if not there]


def create(session: Session, definition: Definition) -> str:
    """Have the bucket, and say what was done. One that was there is judged, and left as it is."""
    bucket = _named(definition)
    found = described(session, bucket)
    if found is None:
        body = {"name": bucket.name, "location": session.region, "labels": {"anywhere-backend": "true"}, **TRAITS}
        try:
            session.rest(MAKE, "POST", f"{STORAGE}?project={session.project}", body)
        except GoogleError as error:
            if error.status == 409:
                raise _not_ours(session, bucket) from None
            raise
        return f"Made the bucket {bucket.name} in {session.region}: versioned, private, with uniform access."
    if missing := lacking(found):
        raise UserError(
            f"The bucket {bucket.name} is there, without {', '.join(missing)}.",
            f"gcloud storage buckets update gs://{bucket.name} --versioning --uniform-bucket-level-access "
            "--public-access-prevention",
        )
    return f"The bucket {bucket.name} is there: versioned, private, with uniform access."


def look(session: Session, definition: Definition) -> str:
    """What preflight says of the bucket; UserError where it will not do."""
    bucket = _named(definition)
    found = described(session, bucket)
    if found is None:
        raise UserError(
            f"The bucket {bucket.name} is not there.",
            f"Make it: anywhere backend create {definition.path} --provider gce",
        )
    if missing := lacking(found):
        raise UserError(
            f"The bucket {bucket.name} has no {', '.join(missing)}.",
            f"gcloud storage buckets update gs://{bucket.name} --versioning --uniform-bucket-level-access "
            "--public-access-prevention",
        )
    return f"{bucket.name}, versioned, of project {session.project}"


def lock(session: Session, definition: Definition) -> str:
    """What preflight says of the state's lock; UserError where another run holds it."""
    bucket = _named(definition)
    name = f"{bucket.prefix}/default.tflock"
    url = f"{STORAGE}/{bucket.name}/o/{quote(name, safe='')}?alt=media"
    held = session.rest(LOOK, "GET", url, accepted=(404,))
    if held:
        raise UserError(
            f"The state is locked by {held.get('Who', 'another run')} since {held.get('Created', 'some time')} "
            f"({held.get('Operation', '')}).",
            "Wait until that run has ended. A lock that a dead run left: terraform force-unlock "
            f"{held.get('ID', 'ID')}, in the rendered folder.",
        )
    return f"nobody holds {name}"
