"""What a cluster created on AWS is removed before destroy; what is left after it is named."""

import json
from contextlib import nullcontext

import pytest

from generator.errors import UserError
from providers import load, waiting

OWNED = {"kubernetes.io/cluster/wars": "owned"}
CLAIM = {**OWNED, "kubernetes.io/created-for/pvc/name": "data", "ebs.csi.aws.com/cluster": "true"}
SERVICE = {**OWNED, "kubernetes.io/service-name": "default/web"}
CONTROLLER = {"elbv2.k8s.aws/cluster": "wars", "service.k8s.aws/stack": "default/web"}
OURS = {"anywhere-cluster": "wars"}


class Told:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.notes = []

    def phase(self, title):
        return nullcontext()

    def note(self, line):
        self.notes.append(line)


@pytest.fixture
def provider():
    return load("aws")


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def ec2(client):
    return client("ec2")


def tagged(kind, tags):
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs(tags)}]}


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture
def vpc(ec2):
    """The cluster's VPC and a subnet in each of two zones."""
    name = ec2.create_vpc(CidrBlock="10.20.0.0/16", **tagged("vpc", OURS))["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=name, CidrBlock=f"10.20.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]
        for n, zone in enumerate("ab")
    ]
    return name, [subnet["SubnetId"] for subnet in subnets]


@pytest.fixture
def volume(ec2):
    def make(tags):
        arguments = tagged("volume", tags) if tags else {}
        return ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, **arguments)["VolumeId"]

    return make


def machine(ec2, tags):
    arguments = {"ImageId": "ami-0a000000000000010", "InstanceType": "t3.small", "MinCount": 1, "MaxCount": 1}
    return ec2.run_instances(**arguments, **tagged("instance", tags))["Instances"][0]["InstanceId"]


def volumes(ec2):
    return {volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]}


def test_volumes_of_claims_go_and_no_others(aws, provider, defined, ec2, volume, told):
    claimed = volume(CLAIM)
    kept = {
        volume({**OURS, "Name": "wars-etcd1-etcd", "anywhere-name": "etcd1"}),
        volume({}),
        volume(OWNED),
        volume({**CLAIM, "anywhere-cluster": "another"}),
        volume({"kubernetes.io/cluster/another": "owned", "kubernetes.io/created-for/pvc/name": "data"}),
    }
    provider.delete_created_by_cluster(defined(), told)
    assert volumes(ec2) == kept
    assert told.notes == [f"remove volume {claimed}"]


def test_a_claim_in_use_is_taken_from_its_machine(aws, provider, defined, ec2, volume, told):
    claimed = volume(CLAIM)
    ec2.attach_volume(VolumeId=claimed, InstanceId=machine(ec2, OURS), Device="/dev/sdf")
    provider.delete_created_by_cluster(defined(), told)
    assert claimed not in volumes(ec2)


def test_what_another_cluster_of_that_name_may_own_is_kept(aws, provider, defined, ec2, volume, told):
    loose, used = volume(CLAIM), volume(CLAIM)
    other = machine(ec2, OWNED)
    ec2.attach_volume(VolumeId=used, InstanceId=other, Device="/dev/sdf")
    provider.delete_created_by_cluster(defined(), told)
    assert {loose, used} <= volumes(ec2)
    assert told.notes == [f"warning: {other} is of another cluster wars: loose volumes are kept"]


def test_load_balancers_and_their_groups_go(aws, client, provider, defined, ec2, vpc, told):
    name, subnets = vpc
    group = made_group(ec2, name, "k8s-elb-1", OWNED)
    nodes = made_group(ec2, name, "wars-worker", OURS)
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}, {"GroupId": nodes}]}
    ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=[rule])
    classic(client, subnets, group, "a1b2", SERVICE)
    arn = modern(client, subnets, "k8s-web", CONTROLLER)
    target = target_group(client, name, "k8s-web", CONTROLLER)
    own = modern(client, subnets, "wars-api", OURS)
    provider.delete_created_by_cluster(defined(), told)
    left = client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [balancer["LoadBalancerArn"] for balancer in left] == [own]
    assert client("elb").describe_load_balancers()["LoadBalancerDescriptions"] == []
    assert target not in [g["TargetGroupArn"] for g in client("elbv2").describe_target_groups()["TargetGroups"]]
    groups = {g["GroupId"]: g for g in ec2.describe_security_groups()["SecurityGroups"]}
    assert group not in groups
    pairs_left = [pair["GroupId"] for rule in groups[nodes]["IpPermissions"] for pair in rule["UserIdGroupPairs"]]
    assert pairs_left == [nodes]
    assert told.notes == [
        "remove load balancer a1b2",
        "remove load balancer k8s-web",
        "remove target group k8s-web",
        f"remove security group {group}",
    ]
    assert arn != own


def test_a_load_balancer_of_another_vpc_is_kept(aws, client, provider, defined, ec2, vpc, told):
    other = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.30.0.0/24", AvailabilityZone="eu-west-1a")["Subnet"]
    arn = modern(client, [subnet["SubnetId"]], "k8s-web", CONTROLLER)
    provider.delete_created_by_cluster(defined(), told)
    assert [b["LoadBalancerArn"] for b in client("elbv2").describe_load_balancers()["LoadBalancers"]] == [arn]


def test_a_group_that_stays_in_use_is_said(aws, provider, defined, ec2, vpc, told, monkeypatch):
    monkeypatch.setattr(waiting, "LIMIT_SECONDS", -1.0)
    group = made_group(ec2, vpc[0], "k8s-elb-1", OWNED)
    aws.refuse("ec2:DeleteSecurityGroup", "DependencyViolation", "resource has a dependent object")
    with pytest.raises(UserError) as caught:
        provider.delete_created_by_cluster(defined(), told)
    assert caught.value.message.startswith(
        f"The security group {group}, which the cluster created on AWS, is still in use"
    )
    assert caught.value.hint.startswith("Run `anywhere destroy` again")


def test_it_waits_until_a_group_is_free(aws, provider, defined, ec2, vpc, told, monkeypatch):
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.0)
    group = made_group(ec2, vpc[0], "k8s-elb-1", OWNED)
    aws.refuse("ec2:DeleteSecurityGroup", "DependencyViolation", "resource has a dependent object", times=2)
    provider.delete_created_by_cluster(defined(), told)
    assert group not in {g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]}


def test_nothing_is_left(aws, provider, defined):
    assert provider.leftovers(defined()) == ()


def test_what_is_left_is_named(aws, client, provider, defined, ec2, vpc, volume):
    name, subnets = vpc
    etcd, instance = volume({**OURS, "Name": "wars-etcd1-etcd"}), machine(ec2, {**OURS, "Name": "wars-etcd1"})
    address = ec2.allocate_address(Domain="vpc", **tagged("elastic-ip", OURS))["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address, **tagged("natgateway", OURS))["NatGateway"]
    arn = modern(client, subnets, "wars-api", OURS)
    claimed = volume(CLAIM)
    secret = client("secretsmanager").create_secret(Name="wars/etcd", SecretString="x", Tags=pairs(OURS))["ARN"]
    key = client("kms").create_key(Tags=[{"TagKey": k, "TagValue": v} for k, v in OURS.items()])["KeyMetadata"]["Arn"]
    bucket(client, "wars-documents")
    client("logs").create_log_group(logGroupName="/wars/flow", tags=OURS)
    role = role_of(client, "wars-master")
    role_of(client, "wars-2-master", {"anywhere-cluster": "wars-2"})
    lines = provider.leftovers(defined())
    assert set(lines) >= {
        f"machine {instance} wars-etcd1",
        f"volume {etcd} wars-etcd1-etcd",
        f"elastic address {address}",
        f"NAT gateway {nat['NatGatewayId']}",
        f"load balancer {arn} wars-api",
        f"VPC {name}",
        f"secret {secret} wars/etcd",
        f"key {key}",
        "bucket arn:aws:s3:::wars-documents",
        f"role {role} wars-master",
        f"volume {claimed} (of a claim)",
    }
    assert not any("wars-2" in line for line in lines)
    assert any(line.startswith("log group ") and "/wars/flow" in line for line in lines)


def test_what_is_on_its_way_out_is_not_left(aws, client, provider, defined, ec2, vpc):
    key = client("kms").create_key(Tags=[{"TagKey": "anywhere-cluster", "TagValue": "wars"}])["KeyMetadata"]["KeyId"]
    client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    secret = client("secretsmanager").create_secret(Name="wars/etcd", SecretString="x", Tags=pairs(OURS))["ARN"]
    client("secretsmanager").delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    ec2.terminate_instances(InstanceIds=[machine(ec2, OURS)])
    lines = provider.leftovers(defined())
    assert [line for line in lines if line.split()[0] in ("key", "secret", "machine")] == []


def test_what_the_index_still_shows_is_asked_for(aws, provider, defined):
    gone = ["arn:aws:s3:::wars-documents", "arn:aws:logs:eu-west-1:123456789012:log-group:/wars/flow"]
    here = ["arn:aws:sqs:eu-west-1:123456789012:wars-leaving", "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-0a"]
    mappings = [{"ResourceARN": arn, "Tags": pairs(OURS)} for arn in (*gone, *here)]
    aws.answer("tagging:GetResources", {"ResourceTagMappingList": mappings, "PaginationToken": ""})
    assert provider.leftovers(defined()) == ("sqs resource arn:aws:sqs:eu-west-1:123456789012:wars-leaving",)


def test_what_cannot_be_looked_for_is_said(aws, provider, defined):
    aws.refuse("secretsmanager:ListSecrets", "AccessDeniedException", "no")
    assert provider.leftovers(defined()) == (
        "unknown: secrets: AWS denies secretsmanager:ListSecrets, which is needed to look for what is left of the "
        "cluster.",
    )


def test_without_credentials_nothing_is_said_to_be_gone(environment, provider, defined):
    with pytest.raises(UserError, match=r"There are no AWS credentials\."):
        provider.leftovers(defined())


def made_group(ec2, vpc, name, tags):
    arguments = {"GroupName": name, "Description": name, "VpcId": vpc}
    return ec2.create_security_group(**arguments, **tagged("security-group", tags))["GroupId"]


def classic(client, subnets, group, name, tags):
    listeners = [{"Protocol": "tcp", "LoadBalancerPort": 80, "InstanceProtocol": "tcp", "InstancePort": 30080}]
    arguments = {"LoadBalancerName": name, "Listeners": listeners, "Subnets": subnets, "SecurityGroups": [group]}
    client("elb").create_load_balancer(**arguments, Tags=pairs(tags))


def modern(client, subnets, name, tags):
    made = client("elbv2").create_load_balancer(Name=name, Type="network", Subnets=subnets, Tags=pairs(tags))
    return made["LoadBalancers"][0]["LoadBalancerArn"]


def target_group(client, vpc, name, tags):
    made = client("elbv2").create_target_group(Name=name, Protocol="TCP", Port=80, VpcId=vpc, Tags=pairs(tags))
    return made["TargetGroups"][0]["TargetGroupArn"]


def bucket(client, name):
    s3 = client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(OURS)})


def role_of(client, name, tags=OURS):
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    return client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=pairs(tags))["Role"]["Arn"]


def test_workers_of_a_cluster_that_goes_need_not_leave(aws, client, provider, defined, told, vpc):
    scaling = client("autoscaling")
    client("ec2").create_launch_template(LaunchTemplateName="any", LaunchTemplateData={"InstanceType": "t3.small"})
    for name, cluster in (("wars-worker-general", "wars"), ("other", "other")):
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=1,
            LaunchTemplate={"LaunchTemplateName": "any"},
            VPCZoneIdentifier=vpc[1][0],
            Tags=[{"Key": "anywhere-cluster", "Value": cluster, "PropagateAtLaunch": True}],
        )
        hook = {"LifecycleHookName": "leave", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
        scaling.put_lifecycle_hook(AutoScalingGroupName=name, **hook)
    aws.refuse("autoscaling:DeleteLifecycleHook", "AccessDenied", status=403, times=1)
    provider.delete_created_by_cluster(defined(), told)  # it takes longer then, and is no error
    provider.delete_created_by_cluster(defined(), told)
    hooks = {
        name: scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"]
        for name in ("wars-worker-general", "other")
    }
    assert hooks["wars-worker-general"] == [] and len(hooks["other"]) == 1
