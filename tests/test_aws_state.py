"""State in a bucket: the same cluster from more than one computer."""

import json
import shutil

import boto3
import pytest

from providers.aws import backend

pytest_plugins = ["tests.aws_session"]

KEY = "star-wars/terraform.tfstate"


@pytest.fixture
def bucket(tmp_path):
    return tmp_path.name.replace("_", "-")[-60:].strip("-")


@pytest.fixture
def remote(session, bucket, amazon, inventing_env, monkeypatch):
    """A cluster that was applied, with its state in a bucket of moto's, which has no host names for buckets."""
    amazon(inventing_env)
    arguments = backend.arguments

    def by_path(definition):
        given = arguments(definition)
        return given and {"s3": {**given["s3"], "use_path_style": True}}

    session.define(backend={"s3": {"bucket": bucket}})
    boto3.client("s3", region_name="eu-west-1").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    monkeypatch.setattr(backend, "arguments", by_path)
    assert session.run("apply", "--yes", "--timeout", "0") == 1
    assert "is not Ready" in session.said.decode()
    shutil.rmtree(session.folder)  # as another computer has it
    session.said = b""
    return session


def test_another_computer_goes_on_where_the_first_one_was(remote):
    assert remote.run("kubeconfig") == 0
    assert (remote.folder / "kubeconfig").exists()
    assert remote.run("plan", "--detailed-exitcode") == 0
    assert "No changes" in remote.said.decode()
    assert not (remote.folder / "terraform.tfstate").exists()


def test_another_computer_destroys(remote, bucket):
    assert remote.run("destroy", "--yes") == 0
    assert "to destroy" in remote.said.decode() and "Nothing is left." in remote.said.decode()
    state = boto3.client("s3", region_name="eu-west-1").get_object(Bucket=bucket, Key=KEY)["Body"].read()
    assert json.loads(state)["resources"] == []


def test_a_state_that_another_run_holds_is_left_alone(remote, bucket):
    held = json.dumps({"ID": "1", "Operation": "OperationTypeApply", "Who": "ci@runner", "Created": "2026-11-24"})
    s3 = boto3.client("s3", region_name="eu-west-1")
    s3.put_object(Bucket=bucket, Key=f"{KEY}.tflock", Body=held.encode())
    before = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    for verb in ("apply", "destroy"):
        assert remote.run(verb, "--yes") == 1
    assert "Error acquiring the state lock" in remote.said.decode()
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == before
