"""State in a bucket: the same cluster from more than one computer."""

import json
import shutil

import boto3
import pytest

from generator.operations import project
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
    make(session, bucket, monkeypatch)
    assert session.run("apply", "--yes", "--timeout", "0") == 1
    assert "is not Ready" in session.said.decode()
    shutil.rmtree(session.folder)  # as another computer has it
    session.said = b""
    return session


def make(session, bucket, monkeypatch):
    """Have state in a bucket from now on."""
    arguments = backend.arguments

    def by_path(definition):
        given = arguments(definition)
        return given and {"s3": {**given["s3"], "use_path_style": True}}

    session.define(backend={"s3": {"bucket": bucket}})
    boto3.client("s3", region_name="eu-west-1").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    monkeypatch.setattr(backend, "arguments", by_path)


def test_another_computer_goes_on_where_the_first_one_was(remote):
    assert remote.run("kubeconfig") == 0
    assert (remote.folder / "kubeconfig").exists()
    assert remote.run("plan", "--detailed-exitcode") == 0
    assert "No changes" in remote.said.decode()
    assert not (remote.folder / "terraform.tfstate").exists()


def test_another_computer_needs_no_images_that_are_uploaded(remote):
    assert remote.brought == [True]
    text = remote.definition.read_text()
    remote.definition.write_text(text.replace("workers: {count: 3", "workers: {count: 4"))
    assert remote.run("apply", "--yes", "--timeout", "0") == 1
    assert "1 to update" in remote.said.decode() and "is not Ready" in remote.said.decode()
    assert remote.brought == [True]


def test_an_autoscaler_may_have_taken_workers_away(session):
    text = session.definition.read_text()
    session.definition.write_text(text.replace("workers: {count: 3,", "workers: {count: 3, min: 1, max: 5,"))
    opened = project.open_project(session.definition, "aws", None)
    names = [machine.name for machine in project.wanted(opened).having("kubelet")]
    assert names == ["master1", "worker-general-1"]
    assert session.run("render") == 0
    pool = json.loads((session.folder / "terraform.tfvars.json").read_text())["pools"]["general"]
    assert (pool["min"], pool["count"], pool["max"]) == (1, 3, 5)


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


def test_state_that_is_to_move_to_a_bucket_is_moved_by_hand(session, bucket, amazon, inventing_env, monkeypatch):
    amazon(inventing_env)
    session.run("apply", "--yes", "--timeout", "0")
    before = (session.folder / "terraform.tfstate").read_text()
    make(session, bucket, monkeypatch)
    session.said = b""
    assert session.run("apply", "--yes", "--timeout", "0") == 1
    assert "terraform init -migrate-state" in session.said.decode()
    assert (session.folder / "terraform.tfstate").read_text() == before
