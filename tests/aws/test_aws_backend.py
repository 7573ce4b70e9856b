"""The bucket that keeps Terraform's state."""

import json

import pytest

from generator.errors import UserError
from providers import load
from providers.aws import backend

S3 = {"s3": {"bucket": "states-of-wars"}}


@pytest.fixture
def provider():
    return load("aws")


@pytest.fixture
def bucket(client):
    """Make it, as somebody else would."""

    def make(region="eu-west-1"):
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
        client("s3", region).create_bucket(Bucket="states-of-wars", **where)

    return make


def refused(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return caught.value.message, caught.value.hint


def test_the_backend_block(environment, provider, defined):
    block = {"bucket": "states-of-wars", "region": "eu-west-1", "encrypt": True, "use_lockfile": True}
    assert provider.backend(defined(backend=S3)) == {"s3": {**block, "key": "wars/terraform.tfstate"}}
    own = {"s3": {"bucket": "states-of-wars", "key": "a/b", "region": "us-east-1"}}
    assert provider.backend(defined(backend=own)) == {"s3": {**block, "key": "a/b", "region": "us-east-1"}}
    assert provider.backend(defined()) is None


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1"])
def test_it_is_made_versioned_encrypted_and_private(aws, client, provider, defined, region):
    definition = defined(backend={"s3": {"bucket": "states-of-wars", "region": region}})
    assert provider.create_backend(definition) == (
        f"Made the bucket states-of-wars in {region}: versioned, encrypted, private, by TLS only."
    )
    s3, name = client("s3", region), {"Bucket": "states-of-wars"}
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"].values())
    statement = json.loads(s3.get_bucket_policy(**name)["Policy"])["Statement"][0]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    rule = s3.get_bucket_ownership_controls(**name)["OwnershipControls"]["Rules"][0]
    assert rule["ObjectOwnership"] == "BucketOwnerEnforced"
    assert s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert provider.create_backend(definition) == "The bucket states-of-wars is there, and as it should be."


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-isob-east-1", "aws-iso-b"),
        ("nowhere-9", "aws"),
    ],
)
def test_its_policy_names_it_as_its_part_of_aws_does(region, partition):
    (statement,) = backend._policy(backend.Bucket("states", region, "key", "1"))["Statement"]
    assert statement["Resource"] == [f"arn:{partition}:s3:::states", f"arn:{partition}:s3:::states/*"]


def test_what_was_made_here_is_mended(aws, client, provider, defined):
    definition = defined(backend=S3)
    provider.create_backend(definition)
    client("s3").put_bucket_versioning(Bucket="states-of-wars", VersioningConfiguration={"Status": "Suspended"})
    client("s3").delete_bucket_policy(Bucket="states-of-wars")
    assert provider.create_backend(definition) == (
        "The bucket states-of-wars was there; it lacked versions, a policy that refuses plain HTTP, and has that now."
    )
    assert client("s3").get_bucket_versioning(Bucket="states-of-wars")["Status"] == "Enabled"


def test_what_somebody_else_made_is_left_as_it_is(aws, client, provider, defined, bucket):
    bucket()
    said = provider.create_backend(defined(backend=S3))
    assert said.startswith("The bucket states-of-wars is there, and was made by somebody else: it lacks versions,")
    assert "Status" not in client("s3").get_bucket_versioning(Bucket="states-of-wars")


def test_a_bucket_of_another_owner(aws, provider, defined):
    aws.refuse("s3:HEAD", "", status=403)
    message, hint = refused(provider.create_backend, defined(backend=S3))
    assert message == (
        "The bucket states-of-wars belongs to another account than 123456789012, or its policy keeps you out."
    )
    assert hint.startswith("Names of buckets are unique in all of AWS: write another in")


def test_a_name_that_somebody_took(aws, provider, defined):
    aws.refuse("s3:PUT", "BucketAlreadyExists", "The requested bucket name is not available.", 409)
    message, _ = refused(provider.create_backend, defined(backend=S3))
    assert message.startswith("The bucket states-of-wars belongs to another account than 123456789012")


def test_a_bucket_of_another_region(aws, provider, defined, bucket):
    bucket("eu-central-1")
    message, hint = refused(provider.create_backend, defined(backend=S3))
    assert message == "The bucket states-of-wars is in eu-central-1, not in eu-west-1."
    assert hint == "Write providers.aws.backend.s3.region: eu-central-1."


def test_no_backend(environment, provider, defined):
    message, hint = refused(provider.create_backend, defined())
    assert message.endswith("cluster.yaml names no backend for AWS.")
    assert "providers.aws.backend" in hint


def test_whether_it_holds_a_state(aws, client, provider, defined, bucket):
    definition = defined(backend=S3)
    assert not provider.has_state(definition)
    bucket()
    assert not provider.has_state(definition)
    client("s3").put_object(Bucket="states-of-wars", Key="wars/terraform.tfstate", Body=b"{}")
    assert provider.has_state(definition)
