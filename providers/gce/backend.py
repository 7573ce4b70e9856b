"""Where Terraform keeps its state: a bucket of Cloud Storage, which it locks by an object of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import project, section
from providers.gce.refusal import GoogleError
from providers.gce.session import Session

LOOK = "look at the bucket of Terraform's state"
MAKE = "make the bucket of Terraform's state"
STORAGE = "https://storage.googleapis.com/storage/v1/b"
MADE = {"anywhere-backend": "true"}  # on buckets that were made here
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
    gcs = section.of(definition).backend
    if gcs is None:
        return None
    return {"gcs": {"bucket": gcs.bucket, "prefix": gcs.prefix or definition.name}}


def _named(definition: Definition) -> Bucket:
    given = arguments(definition)
    if given is None:
        raise UserError(
            f"{definition.path} names no backend for GCE.",
            "Add providers.gce.backend: {gcs: {bucket: NAME}}; without it, state is kept beside the rendered files.",
        )
    return Bucket(**{"name": given["gcs"]["bucket"], "prefix": given["gcs"]["prefix"]})


def described(session: Session, bucket: Bucket, number: str) -> Mapping[str, Any] | None:
    """The bucket, None where it is not there; UserError where it is not of the project `number`."""
    try:
        found = session.rest(LOOK, "GET", f"{STORAGE}/{bucket.name}?projection=noAcl", accepted=(404,))
    except GoogleError as error:
        if error.denied:
            raise _not_ours(session, bucket) from None
        raise
    if found and str(found.get("projectNumber", "")) != number:
        raise _not_ours(session, bucket)
    return found  # type: ignore[no-any-return]


def _not_ours(session: Session, bucket: Bucket) -> UserError:
    return UserError(
        f"The bucket {bucket.name} belongs to another project than {session.project}, or may not be looked at.",
        "Names of buckets are unique in all of Google Cloud: write another in providers.gce.backend.gcs.bucket, or use "
        "the credentials of its owner.",
    )


def lacking(found: Mapping[str, Any]) -> list[str]:
    """What a bucket of states should have, and this one has not."""
    access = found.get("iamConfiguration", {})
    has = {
        "versions": found.get("versioning", {}).get("enabled", False),
        "uniform access": access.get("uniformBucketLevelAccess", {}).get("enabled", False),
        "public access prevention": access.get("publicAccessPrevention") == "enforced",
    }
    return [name for name, there in has.items() if not there]


def create(session: Session, definition: Definition) -> str:
    """Have the bucket, and say what was done. One that was made elsewhere is judged, and left as it is."""
    bucket, number = _named(definition), project.number(session)
    found = described(session, bucket, number)
    if found is None:
        made = _made(session, bucket)
        found = described(session, bucket, number)
        if found is None:
            raise _not_ours(session, bucket)  # its name is taken, and nobody says by whom
        if made:
            _verify(bucket, found)
            return f"Made the bucket {bucket.name} in {session.region}: versioned, private, with uniform access."
    if not (missing := lacking(found)):
        return f"The bucket {bucket.name} is there, and as it should be."
    names = ", ".join(missing)
    if found.get("labels", {}).items() >= MADE.items():
        session.rest(MAKE, "PATCH", f"{STORAGE}/{bucket.name}", TRAITS)
        _verify(bucket, described(session, bucket, number) or {})
        return f"The bucket {bucket.name} was there; it lacked {names}, and has that now."
    return f"The bucket {bucket.name} is there, and was made by somebody else: it lacks {names}. It was left so."


def _made(session: Session, bucket: Bucket) -> bool:
    """Make it; False where the name is taken."""
    body = {"name": bucket.name, "location": session.region, "labels": MADE, **TRAITS}
    try:
        session.rest(MAKE, "POST", f"{STORAGE}?project={session.project}", body)
    except GoogleError as error:
        if error.status != 409:
            raise
        return False
    return True


def _verify(bucket: Bucket, found: Mapping[str, Any]) -> None:
    """UserError where Google did not make it as it was asked for."""
    if missing := lacking(found):
        raise UserError(
            f"The bucket {bucket.name} was to have {', '.join(missing)}, and has not.",
            "See whether a policy of the organization forbids it; then run the same command again.",
        )


def ready(session: Session, definition: Definition, number: str) -> str:
    """That the bucket is there, is the project's, keeps versions and is private; UserError where not."""
    bucket = _named(definition)
    found = described(session, bucket, number)
    if found is None:
        raise UserError(
            f"There is no bucket {bucket.name} for Terraform's state.",
            "Make it: `anywhere backend create`.",
        )
    if missing := lacking(found):
        raise UserError(
            f"The bucket {bucket.name} has no {', '.join(missing)}.",
            f"gcloud storage buckets update gs://{bucket.name} --versioning --uniform-bucket-level-access "
            "--public-access-prevention",
        )
    return f"{bucket.name}, versioned, of project {session.project}"


def has_state(session: Session, definition: Definition) -> bool:
    """Whether the bucket holds the cluster's state."""
    bucket = _named(definition)
    name = quote(f"{bucket.prefix}/default.tfstate", safe="")
    return session.rest(LOOK, "GET", f"{STORAGE}/{bucket.name}/o/{name}", accepted=(404,)) is not None


def unlocked(session: Session, definition: Definition) -> str:
    """That no other run holds the state; UserError that says who does."""
    bucket = _named(definition)
    name = f"{bucket.prefix}/default.tflock"
    url = f"{STORAGE}/{bucket.name}/o/{quote(name, safe='')}"
    held = session.rest(LOOK, "GET", url, accepted=(404,))
    if held is None:
        return f"nobody holds {name}"
    # What Terraform wrote into it has an id as well, but it is the generation that unlocks.
    lock = _content(session, f"{url}?alt=media")
    raise UserError(
        f"The state is locked by {lock.get('Who') or 'another run'} since "
        f"{lock.get('Created') or held.get('timeCreated') or 'some time'}"
        f" ({lock.get('Operation') or 'unknown operation'}).",
        "Wait until that run ends. If it is dead: terraform force-unlock "
        f"{held.get('generation', 'unknown')} in the rendered folder.",
    )


def _content(session: Session, url: str) -> Mapping[str, str]:
    """What the lock says of who holds it, {} where that cannot be told."""
    try:
        found = session.rest(LOOK, "GET", url, accepted=(404,))
    except GoogleError:
        return {}
    return found if isinstance(found, Mapping) else {}
