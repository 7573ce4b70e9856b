"""What of a cluster is on AWS, as it matters to whoever has no state of it."""

import pytest

from generator.errors import UserError

OURS = {"anywhere-cluster": "wars"}
IMAGE = {"ImageId": "ami-0a000000000000010", "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}


def tagged(kind, tags):
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]}


@pytest.fixture
def ec2(client):
    return client("ec2")


def machine(ec2, tags):
    return ec2.run_instances(**IMAGE, **tagged("instance", tags))["Instances"][0]["InstanceId"]


def volume(ec2, tags):
    return ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, **tagged("volume", tags))["VolumeId"]


def test_machines_volumes_of_etcd_and_the_vpc(aws, provider, defined, ec2):
    one = machine(ec2, {**OURS, "Name": "wars-etcd1", "anywhere-name": "etcd1"})
    worker = machine(ec2, {**OURS, "Name": "wars-worker-general"})
    disk = volume(ec2, {**OURS, "Name": "wars-etcd1-etcd", "anywhere-name": "etcd1"})
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", **tagged("vpc", {**OURS, "Name": "wars"}))["Vpc"]["VpcId"]
    assert provider.present(defined()) == (
        f"machine {one} wars-etcd1",
        f"machine {worker} wars-worker-general",
        f"volume {disk} wars-etcd1-etcd",
        f"VPC {vpc} wars",
    )


def test_nothing_that_is_another_clusters_or_left_on_purpose(aws, provider, defined, ec2, client):
    machine(ec2, {"anywhere-cluster": "others", "Name": "others-etcd1"})
    volume(ec2, {"anywhere-cluster": "others", "anywhere-name": "etcd1"})
    volume(ec2, {**OURS, "kubernetes.io/created-for/pvc/name": "data"})
    client("kms").create_key(Tags=[{"TagKey": "anywhere-cluster", "TagValue": "wars"}])
    ended = machine(ec2, {**OURS, "Name": "wars-etcd1"})
    ec2.terminate_instances(InstanceIds=[ended])
    assert provider.present(defined()) == ()


def test_it_costs_three_requests(aws, provider, defined):
    provider.present(defined())
    assert len(aws.asked) == 3


def test_who_may_not_look_is_told_so(aws, provider, defined):
    aws.refuse("ec2:DescribeInstances", "UnauthorizedOperation", status=403)
    with pytest.raises(UserError, match="look for what is left of the cluster"):
        provider.present(defined())
