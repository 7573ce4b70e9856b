"""Where Terraform keeps its state: an S3 bucket, locked by a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.aws import regions, section
from providers.aws.facts import account
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "look at the bucket of Terraform's state"
MAKE = "make the bucket of Terraform's state"
MADE = {"Key": "anywhere-backend", "Value": "true"}  # on buckets that were made here
GONE = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NotFound", "NoSuchTagSet"})
UNSET = frozenset(
    {
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "NoSuchBucketPolicy",
    }
)
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket that a definition names. `owner` is the account that must own it."""

    name: str
    region: str
    key: str
    owner: str


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that a bucket of states should have: `is_set` asks, `set` mends."""

    name: str
    is_set: Callable[[Session, Bucket], bool]
    set: Callable[[Session, Bucket], None]


def arguments(definition: Definition) -> dict[str, Any] | None:
    """Terraform's backend block, None for state in the rendered folder. Pure."""
    aws = section.of(definition)
    s3 = aws.backend
    if s3 is None:
        return None
    return {
        "s3": {
            "bucket": s3.bucket,
            "key": s3.key or f"{definition.name}/terraform.tfstate",
            "region": s3.region or aws.region,
            "encrypt": True,
            "use_lockfile": True,
        }
    }


def _named(session: Session, definition: Definition) -> Bucket:
    """The bucket that the definition names, as the caller's account must have it."""
    given = arguments(definition)
    if given is None:
        raise UserError(
            f"{definition.path} names no backend for AWS.",
            "Add providers.aws.backend: {s3: {bucket: NAME}}; without it, state is kept beside the rendered files.",
        )
    s3 = given["s3"]
    return Bucket(s3["bucket"], s3["region"], s3["key"], account(session))


def exists(session: Session, bucket: Bucket) -> bool:
    """Whether it is there; UserError where it is somebody else's, or in another region."""
    try:
        answer = _ask(session, bucket, "head_bucket")
    except AwsError as error:
        if error.code in GONE:
            return False
        if error.code in ("301", "400", "PermanentRedirect"):
            raise UserError(
                f"The bucket {bucket.name} is not in {bucket.region}.", "Fix providers.aws.backend.s3.region."
            ) from None
        if error.denied:
            raise _not_ours(bucket) from None
        raise
    found = answer.get("BucketRegion") or bucket.region
    if found != bucket.region:
        raise UserError(
            f"The bucket {bucket.name} is in {found}, not in {bucket.region}.",
            f"Write providers.aws.backend.s3.region: {found}.",
        )
    return True


def create(session: Session, definition: Definition) -> str:
    """Have the bucket, and say what was done. One that was made elsewhere is judged, and left as it is."""
    bucket = _named(session, definition)
    if not exists(session, bucket):
        _make(session, bucket)
        return f"Made the bucket {bucket.name} in {bucket.region}: versioned, encrypted, private, by TLS only."
    lacking = tuple(_lacking(session, bucket))
    if not lacking:
        return f"The bucket {bucket.name} is there, and as it should be."
    names = ", ".join(trait.name for trait in lacking)
    if MADE not in _tags(session, bucket):
        return f"The bucket {bucket.name} is there, and was made by somebody else: it lacks {names}. It was left so."
    for trait in lacking:
        trait.set(session, bucket)
    return f"The bucket {bucket.name} was there; it lacked {names}, and has that now."


def ready(session: Session, definition: Definition) -> str:
    """That the bucket is there, is the account's and keeps versions; UserError where not."""
    bucket = _named(session, definition)
    if not exists(session, bucket):
        raise UserError(
            f"There is no bucket {bucket.name} for Terraform's state.",
            "Make it: `anywhere backend create`.",
        )
    if not _versioned(session, bucket):
        raise UserError(
            f"The bucket {bucket.name} keeps no versions: a state that is overwritten would be lost.",
            f"aws s3api put-bucket-versioning --bucket {bucket.name} --versioning-configuration Status=Enabled",
        )
    return f"{bucket.name} in {bucket.region}, versioned, of account {bucket.owner}"


def has_state(session: Session, definition: Definition) -> bool:
    """Whether the bucket holds the cluster's state."""
    bucket = _named(session, definition)
    try:
        _ask(session, bucket, "head_object", Key=bucket.key)
    except AwsError as error:
        if error.code in GONE:
            return False
        raise
    return True


def unlocked(session: Session, definition: Definition) -> str:
    """That no other run holds the state; UserError that says who does."""
    bucket = _named(session, definition)
    lock = holder(session, bucket) if exists(session, bucket) else {}
    if lock:
        raise UserError(
            f"The state is locked by {lock.get('Who') or 'another run'} since {lock.get('Created') or 'some time'}"
            f" ({lock.get('Operation') or 'unknown operation'}).",
            "Wait until that run ends. If it is dead: terraform force-unlock "
            f"{lock.get('ID', 'unknown')} in the rendered folder.",
        )
    return f"nobody holds {bucket.key}"


def holder(session: Session, bucket: Bucket) -> Mapping[str, str]:
    """Who has locked the state, as Terraform says it (ID, Operation, Who, Created); empty where nobody has."""
    try:
        answer = _ask(session, bucket, "get_object", Key=f"{bucket.key}.tflock")
    except AwsError as error:
        if error.code in GONE:
            return {}
        raise
    try:
        lock: Mapping[str, str] = json.loads(answer["Body"].read())
    except ValueError:
        return {"ID": "unknown"}
    return lock


def _make(session: Session, bucket: Bucket) -> None:
    where = {} if bucket.region == "us-east-1" else {"LocationConstraint": bucket.region}
    arguments: dict[str, Any] = {"CreateBucketConfiguration": where} if where else {}
    try:
        session.call(
            "s3",
            "create_bucket",
            MAKE,
            bucket.region,
            Bucket=bucket.name,
            ObjectOwnership="BucketOwnerEnforced",
            **arguments,
        )
    except AwsError as error:
        if error.code == "BucketAlreadyExists":
            raise _not_ours(bucket) from None
        if error.code != "BucketAlreadyOwnedByYou":
            raise
    _ask(session, bucket, "put_bucket_tagging", Tagging={"TagSet": [MADE]})
    for trait in TRAITS:
        trait.set(session, bucket)


def _not_ours(bucket: Bucket) -> UserError:
    return UserError(
        f"The bucket {bucket.name} belongs to another account than {bucket.owner}, or its policy keeps you out.",
        "Names of buckets are unique in all of AWS: write another in providers.aws.backend.s3.bucket, or use the "
        "credentials of its owner.",
    )


def _lacking(session: Session, bucket: Bucket) -> Iterator[Trait]:
    yield from (trait for trait in TRAITS if not trait.is_set(session, bucket))


def _ask(session: Session, bucket: Bucket, operation: str, **arguments: Any) -> dict[str, Any]:
    """A request about the bucket that AWS refuses where another account owns it."""
    purpose = MAKE if operation.startswith("put_") else LOOK
    owner = {"ExpectedBucketOwner": bucket.owner}
    return session.call("s3", operation, purpose, bucket.region, Bucket=bucket.name, **owner, **arguments)


def _ask_if_set(session: Session, bucket: Bucket, operation: str) -> dict[str, Any]:
    try:
        return _ask(session, bucket, operation)
    except AwsError as error:
        if error.code in UNSET | GONE:
            return {}
        raise


def _tags(session: Session, bucket: Bucket) -> list[dict[str, str]]:
    return list(_ask_if_set(session, bucket, "get_bucket_tagging").get("TagSet", ()))


def _versioned(session: Session, bucket: Bucket) -> bool:
    return _ask(session, bucket, "get_bucket_versioning").get("Status") == "Enabled"


def _version(session: Session, bucket: Bucket) -> None:
    _ask(session, bucket, "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})


def _encrypted(session: Session, bucket: Bucket) -> bool:
    return bool(_ask_if_set(session, bucket, "get_bucket_encryption"))


def _encrypt(session: Session, bucket: Bucket) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    _ask(session, bucket, "put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": rules})


def _private(session: Session, bucket: Bucket) -> bool:
    found = _ask_if_set(session, bucket, "get_public_access_block")
    return bool(found.get("PublicAccessBlockConfiguration") == BLOCKED)


def _make_private(session: Session, bucket: Bucket) -> None:
    _ask(session, bucket, "put_public_access_block", PublicAccessBlockConfiguration=BLOCKED)


def _policy(bucket: Bucket) -> dict[str, Any]:
    arn = f"arn:{regions.partition(bucket.region)}:s3:::{bucket.name}"
    statement = {
        "Sid": "OnlyByTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _tls_only(session: Session, bucket: Bucket) -> bool:
    policy = json.loads(_ask_if_set(session, bucket, "get_bucket_policy").get("Policy", "{}"))
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") in ("false", False)
        for statement in policy.get("Statement", ())
    )


def _refuse_plain(session: Session, bucket: Bucket) -> None:
    _ask(session, bucket, "put_bucket_policy", Policy=json.dumps(_policy(bucket)))


def _owned(session: Session, bucket: Bucket) -> bool:
    found = _ask_if_set(session, bucket, "get_bucket_ownership_controls").get("OwnershipControls", {})
    return any(rule.get("ObjectOwnership") == "BucketOwnerEnforced" for rule in found.get("Rules", ()))


def _own(session: Session, bucket: Bucket) -> None:
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    _ask(session, bucket, "put_bucket_ownership_controls", OwnershipControls=controls)


TRAITS = (
    Trait("versions", _versioned, _version),
    Trait("encryption", _encrypted, _encrypt),
    Trait("a block of public access", _private, _make_private),
    Trait("one owner of all objects", _owned, _own),
    Trait("a policy that refuses plain HTTP", _tls_only, _refuse_plain),
)
