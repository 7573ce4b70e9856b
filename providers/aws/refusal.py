"""What botocore raises, as one line and its remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from generator.errors import UserError
from providers.aws import regions

TOLERATED = timedelta(minutes=5)  # how far off a clock may be before AWS refuses its signatures

THROTTLED = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
        *("RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "PriorRequestNotComplete"),
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
UNKNOWN_KEYS = frozenset(
    {
        *("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"),
        *("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "InvalidToken"),
        *("RequestTimeTooSkewed", "OptInRequired", "MissingAuthenticationToken"),
    }
)
BROKEN = frozenset({"InternalError", "InternalFailure", "InternalServiceError", "ServiceUnavailable", "Unavailable"})

SIGN_IN = "Sign in again (`aws sso login`, or new keys) until `aws sts get-caller-identity` works."

# What the action is called in a policy, where that is not the name of the request.
_PREFIXES = {
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
_ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}


class AwsError(UserError):
    """A request that AWS refused, or that did not reach it (`code` is "" then)."""

    def __init__(self, message: str, hint: str, code: str = "") -> None:
        super().__init__(message, hint)
        self.code = code

    @property
    def denied(self) -> bool:
        return self.code in DENIED

    @property
    def broken(self) -> bool:
        """Whether the fault is AWS's own."""
        return self.code in BROKEN

    @property
    def throttled(self) -> bool:
        return self.code in THROTTLED


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: `purpose` ends the sentence "AWS was asked to ..."."""

    service: str
    operation: str
    purpose: str
    region: str

    @property
    def action(self) -> str:
        """As policies call it, such as `ec2:DescribeInstances`."""
        name = "".join(word.capitalize() for word in self.operation.split("_"))
        action = f"{_PREFIXES.get(self.service, self.service)}:{name}"
        return _ACTIONS.get(action, action)


def explain(error: Exception, request: Request) -> AwsError:
    """The error to raise for `error`, which botocore raised."""
    if (response := getattr(error, "response", None)) is not None:
        return _refused(response, request)
    for name in (kind.__name__ for kind in type(error).__mro__):
        if name in _CAUSES:
            return _CAUSES[name](error, request)
    return AwsError(f"AWS was asked to {request.purpose}: {_line(error)}", "See to ~/.aws/config and the environment.")


def _refused(response: Mapping[str, Any], request: Request) -> AwsError:
    code = str(response.get("Error", {}).get("Code", ""))
    said = _line(response.get("Error", {}).get("Message", ""))
    off = _clock(response) if code in UNKNOWN_KEYS | EXPIRED | DENIED else None
    if off or code == "RequestTimeTooSkewed" or "Signature expired" in said or "Signature not yet current" in said:
        message = f"This computer's clock is {_minutes(off) if off else 'not'} AWS's, so AWS refuses its requests."
        return AwsError(message, "Set the clock: `timedatectl set-ntp true`.", code)
    if code in EXPIRED:
        return AwsError(f"The AWS credentials have expired (AWS was asked to {request.purpose}).", SIGN_IN, code)
    if code in UNKNOWN_KEYS:
        return _unknown_keys(code, request)
    if code in DENIED:
        return _denied(code, said, request)
    if code in THROTTLED:
        message = f"AWS answers too many requests of this account already (asked to {request.purpose})."
        return AwsError(message, "Wait a minute, then run the same command again.", code)
    if code in BROKEN:
        message = f"AWS has a fault in {request.region}: {code} (asked to {request.purpose})."
        return AwsError(message, "Run the same command again later; health.aws.amazon.com says more.", code)
    message = f"AWS was asked to {request.purpose}, and refused {request.action}: {code}: {said}"
    return AwsError(message, "Fix what it says, then run the same command again.", code)


def _clock(response: Mapping[str, Any]) -> timedelta | None:
    """By how much this computer's clock is ahead of AWS's, where that is too much."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        off = datetime.now(UTC) - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return off if abs(off) > TOLERATED else None


def _minutes(off: timedelta) -> str:
    return f"{abs(off) // timedelta(minutes=1)} min {'ahead of' if off > timedelta() else 'behind'}"


def _unknown_keys(code: str, request: Request) -> AwsError:
    if request.region in regions.ALWAYS_ON:
        return AwsError(
            f"AWS does not know these credentials ({code}, asked to {request.purpose}).",
            "Name the profile in AWS_PROFILE, or see to the keys: `aws sts get-caller-identity` must work.",
            code,
        )
    return AwsError(
        f"AWS does not take these credentials in region {request.region} ({code}).",
        f"Enable it (`aws account enable-region --region-name {request.region}`), or write another in "
        "providers.aws.region.",
        code,
    )


def _denied(code: str, said: str, request: Request) -> AwsError:
    named = re.search(r"not authorized to perform:? ([a-z0-9-]+:\w+)", said)
    action = named[1] if named else request.action
    hint = f"Have {action} allowed to the user or role that `aws sts get-caller-identity` names."
    if "explicit deny" in said:
        hint = f"A policy denies {action} by name: ask who keeps the policies of this account."
    return AwsError(f"AWS denies {action}, which is needed to {request.purpose}.", hint, code)


def _no_credentials(error: Exception, request: Request) -> AwsError:
    return AwsError(
        "There are no AWS credentials.",
        "Name a profile in AWS_PROFILE, or sign in: `aws configure sso`, then `aws sso login`.",
    )


def _no_profile(error: Exception, request: Request) -> AwsError:
    return AwsError(f"{_line(error).rstrip('.')}.", "Set AWS_PROFILE to one that `aws configure list-profiles` shows.")


def _signed_out(error: Exception, request: Request) -> AwsError:
    return AwsError(f"The AWS credentials cannot be had: {_line(error).rstrip('.')}.", SIGN_IN)


def _unreachable(error: Exception, request: Request) -> AwsError:
    there = regions.known()
    if request.region not in there:
        unknown = regions.refusal(request.region, there)
        return AwsError(unknown.message, unknown.hint)
    return AwsError(
        f"AWS cannot be reached in {request.region} (asked to {request.purpose}): {_line(error).rstrip('.')}.",
        "See to the network, to HTTPS_PROXY and to AWS_ENDPOINT_URL.",
    )


def _no_answer_of_aws(error: Exception, request: Request) -> AwsError:
    return AwsError(
        f"Something that is not AWS answers in its place (asked to {request.purpose}).",
        "See to HTTPS_PROXY and AWS_ENDPOINT_URL, and whether the network wants a sign-in first.",
    )


def _bad_region(error: Exception, request: Request) -> AwsError:
    return AwsError(f"{request.region} is not an AWS region.", "Write one such as eu-west-1 in providers.aws.region.")


def _line(text: object) -> str:
    """Its first line; the encoded half of a denial is of no use to a reader."""
    first = (str(text).strip().splitlines() or [""])[0]
    return first.partition(" Encoded authorization failure message")[0]


# By the name of botocore's exception, or of one that it derives from.
_CAUSES: Mapping[str, Callable[[Exception, Request], AwsError]] = {
    "NoCredentialsError": _no_credentials,
    "NoAuthTokenError": _no_credentials,
    "PartialCredentialsError": _no_credentials,
    "ProfileNotFound": _no_profile,
    "CredentialRetrievalError": _signed_out,
    "SSOError": _signed_out,
    "LoginError": _signed_out,
    "TokenRetrievalError": _signed_out,
    "InvalidRegionError": _bad_region,
    "ResponseParserError": _no_answer_of_aws,
    "HTTPClientError": _unreachable,
    "ConnectionError": _unreachable,
}
