"""What AWS refuses, in one line with its remedy."""

import time

import pytest

from providers.aws.refusal import AwsError
from providers.aws.session import Session

PURPOSE = "see which machines there are"


def asked(region="eu-west-1"):
    """The error that a request ends in."""
    with pytest.raises(AwsError) as caught:
        Session(region).items("ec2", "describe_instances", "Reservations", PURPOSE)
    assert "\n" not in caught.value.message and caught.value.hint
    return caught.value.message, caught.value.hint


def test_no_credentials(environment):
    message, hint = asked()
    assert message == "There are no AWS credentials."
    assert hint == "Name a profile in AWS_PROFILE, or sign in: `aws configure sso`, then `aws sso login`."


def test_a_profile_that_is_not_there(environment):
    environment.setenv("AWS_PROFILE", "nobody")
    message, hint = asked()
    assert message == "The config profile (nobody) could not be found."
    assert "aws configure list-profiles" in hint


def test_a_sign_in_that_ended(environment, tmp_path):
    (tmp_path / "config").write_text(
        "[profile work]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = admin\n"
        "[sso-session work]\nsso_start_url = https://work.example.com/start\nsso_region = eu-west-1\n"
    )
    environment.setenv("HOME", str(tmp_path))
    environment.setenv("AWS_PROFILE", "work")
    message, hint = asked()
    assert message.startswith("The AWS credentials cannot be had:")
    assert hint.startswith("Sign in again (`aws sso login`")


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired"])
def test_an_expired_token(aws, code):
    aws.refuse("ec2:DescribeInstances", code, "The security token included in the request is expired")
    message, hint = asked()
    assert message == f"The AWS credentials have expired (AWS was asked to {PURPOSE})."
    assert "aws sso login" in hint


@pytest.mark.parametrize(("off", "how"), [(3600, "59 min behind"), (-3600, "60 min ahead of")])
def test_a_clock_that_is_wrong(aws, off, how):
    aws.refuse("ec2:DescribeInstances", "RequestExpired", "Request has expired.")
    aws.date = time.time() + off
    message, hint = asked()
    assert message == f"This computer's clock is {how} AWS's, so AWS refuses its requests."
    assert hint == "Set the clock: `timedatectl set-ntp true`."


def test_a_clock_that_only_the_words_tell_of(aws):
    said = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"
    aws.refuse("ec2:DescribeInstances", "SignatureDoesNotMatch", said, 403)
    assert asked()[0] == "This computer's clock is not AWS's, so AWS refuses its requests."


def test_keys_that_aws_does_not_know(aws):
    aws.refuse("ec2:DescribeInstances", "AuthFailure", "AWS was not able to validate the credentials", 401)
    message, hint = asked()
    assert message == f"AWS does not know these credentials (AuthFailure, asked to {PURPOSE})."
    assert "AWS_PROFILE" in hint


def test_a_region_that_may_be_off(aws):
    aws.refuse("ec2:DescribeInstances", "AuthFailure", "AWS was not able to validate the credentials", 401)
    message, hint = asked("eu-south-1")
    assert message == "AWS does not take these credentials in region eu-south-1 (AuthFailure)."
    assert "aws account enable-region --region-name eu-south-1" in hint


DENIED = (
    "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/eve is not authorized to "
    "perform: ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action"
)


def test_access_denied(aws):
    aws.refuse("ec2:DescribeInstances", "UnauthorizedOperation", DENIED, 403)
    message, hint = asked()
    assert message == f"AWS denies ec2:DescribeInstances, which is needed to {PURPOSE}."
    assert hint.startswith("Have ec2:DescribeInstances allowed to the user or role")


def test_access_denied_by_name(aws):
    aws.refuse("ec2:DescribeInstances", "UnauthorizedOperation", f"{DENIED} with an explicit deny in a policy", 403)
    assert asked()[1] == ("A policy denies ec2:DescribeInstances by name: ask who keeps the policies of this account.")


def test_denied_without_saying_what(aws):
    aws.refuse("s3:HEAD", "", status=403)
    with pytest.raises(AwsError) as caught:
        Session("eu-west-1").call("s3", "head_bucket", "look at it", Bucket="bucket")
    assert caught.value.message == "AWS denies s3:ListBucket, which is needed to look at it."


def test_throttled_too_often(aws):
    aws.refuse("ec2:DescribeInstances", "RequestLimitExceeded", "Request limit exceeded.", 503)
    message, hint = asked()
    assert message == f"AWS answers too many requests of this account already (asked to {PURPOSE})."
    assert hint == "Wait a minute, then run the same command again."


def test_throttled_now_and_then(aws, environment):
    environment.setenv("AWS_MAX_ATTEMPTS", "3")
    environment.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    aws.refuse("ec2:DescribeInstances", "RequestLimitExceeded", "Request limit exceeded.", 503, times=2)
    assert Session("eu-west-1").items("ec2", "describe_instances", "Reservations", PURPOSE) == []
    assert aws.asked == ["ec2:DescribeInstances"] * 3


def test_a_fault_of_aws(aws):
    aws.refuse("ec2:DescribeInstances", "InternalError", "An internal error has occurred", 500)
    message, hint = asked()
    assert message == f"AWS has a fault in eu-west-1: InternalError (asked to {PURPOSE})."
    assert "later" in hint


def test_something_else(aws):
    aws.refuse("ec2:DescribeInstances", "InvalidParameterValue", "one line\nand another")
    message, _ = asked()
    assert message == (
        f"AWS was asked to {PURPOSE}, and refused ec2:DescribeInstances: InvalidParameterValue: one line"
    )


def test_an_endpoint_that_nobody_answers_at(aws, environment):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    message, hint = asked()
    assert message.startswith(f"AWS cannot be reached in eu-west-1 (asked to {PURPOSE}): Could not connect")
    assert hint == "See to the network, to HTTPS_PROXY and to AWS_ENDPOINT_URL."


def test_a_region_that_is_none(aws, environment):
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    message, hint = asked("eu-west-9")
    assert message == "AWS has no region eu-west-9."
    assert hint.startswith("Fix providers.aws.region: did you mean eu-west-")


def test_a_region_that_cannot_be_a_name(aws, environment):
    environment.delenv("AWS_ENDPOINT_URL")
    message, hint = asked("eu west")
    assert message == "eu west is not an AWS region."
    assert "providers.aws.region" in hint


def test_a_page_instead_of_an_answer(aws):
    aws.answer("ec2:DescribeInstances", "<!doctype html><p>Sign in to this network", 200)
    message, hint = asked()
    assert message == f"Something that is not AWS answers in its place (asked to {PURPOSE})."
    assert "HTTPS_PROXY" in hint


@pytest.mark.parametrize(
    ("region", "home"),
    [("eu-west-1", "eu-west-1"), ("eu-south-1", "us-east-1"), ("cn-north-1", "cn-north-1"), ("us-iso-east-1",) * 2],
)
def test_where_a_region_is_asked_about(region, home):
    assert Session(region).home() == home
