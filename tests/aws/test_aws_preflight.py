"""Each line of the preflight, where it is well and where it is not."""

import json
from dataclasses import replace

import pytest

from providers import load
from tests.aws.checks import failing

IMAGE = "ami-0a000000000000010"
ADMIN = "arn:aws:sts::123456789012:user/moto"


def quota(aws, value):
    aws.answer("servicequotas:GetServiceQuota", {"Quota": {"Value": float(value)}})


def test_all_is_well(aws, checked):
    assert {subject: (check.ok, check.detail) for subject, check in checked().items()} == {
        "credentials": (True, f"account 123456789012, {ADMIN}"),
        "region": (True, "eu-west-1 is enabled"),
        "name": (True, "no other region has a cluster wars"),
        "types": (True, "t3.medium, t3.small"),
        "zones": (True, "eu-west-1a, eu-west-1b, eu-west-1c offer t3.medium, t3.small"),
        "machine images": (True, f"amd64 {IMAGE}"),
        "vCPU quota": (True, "14 more to take, 0 of 64 in use"),
        "VPC quota": (True, "1 more to take, 1 of 64 in use"),
        "elastic address quota": (True, "1 more to take, 0 of 64 in use"),
        "other VPCs": (True, "none has 10.20.0.0/16"),
    }


def test_it_only_reads(aws, checked, defined):
    checked(defined(backend={"s3": {"bucket": "states-of-wars"}}))
    asked = {action.partition(":")[2] for action in aws.asked}
    assert {word for word in asked if not word.startswith(("Describe", "Get", "List", "HEAD", "GET"))} == set()


def test_without_credentials_nothing_else_is_said(environment, checked):
    assert failing(checked()) == {
        "credentials": (
            "There are no AWS credentials",
            "Name a profile in AWS_PROFILE, or sign in: `aws configure sso`, then `aws sso login`.",
        )
    }


def test_a_region_that_is_not_enabled(aws, checked, defined):
    aws.answer("ec2:DescribeRegions", regions(**{"eu-south-1": "not-opted-in"}))
    checks = checked(defined(region="eu-south-1", zones=["eu-south-1a"]))
    assert list(checks) == ["credentials", "region"]
    assert failing(checks) == {
        "region": (
            "Region eu-south-1 is not enabled in this account",
            "Enable it (aws account enable-region --region-name eu-south-1), or write another in providers.aws.region.",
        )
    }


def test_a_region_that_there_is_not(aws, checked, defined):
    checks = failing(checked(defined(region="eu-west-9")))
    message, hint = checks["region"]
    assert message == "AWS has no region eu-west-9"
    assert hint.startswith("Fix providers.aws.region: did you mean eu-west-")


def test_one_denial_does_not_hide_the_rest(aws, checked):
    denied = "User: arn:aws:iam::123456789012:user/eve is not authorized to perform: servicequotas:GetServiceQuota"
    aws.refuse("servicequotas:GetServiceQuota", "AccessDeniedException", denied)
    checks = checked()
    assert set(failing(checks)) == {"vCPU quota", "VPC quota", "elastic address quota"}
    detail, hint = failing(checks)["vCPU quota"]
    assert detail == (
        "AWS denies servicequotas:GetServiceQuota, which is needed to see what the account's quotas leave"
    )
    assert hint.startswith("Have servicequotas:GetServiceQuota allowed")
    assert not any(check.needed for check in checks.values())


def test_a_region_that_may_not_be_asked_for_does_not_hide_the_rest(aws, checked):
    aws.refuse("ec2:DescribeRegions", "UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
    checks = checked()
    assert set(failing(checks)) == {"region"} and "vCPU quota" in checks


def test_quotas_that_are_too_low(aws, checked, defined):
    quota(aws, 2)
    checks = failing(checked(defined([{"name": "spot", "count": 2, "size": "large", "spot": True}], nat="zone")))
    assert checks["vCPU quota"] == (
        "eu-west-1 grants 2 vCPUs; 0 are in use, and the cluster takes 8 more",
        "Ask for more: aws service-quotas request-service-quota-increase --region eu-west-1 --service-code ec2 "
        "--quota-code L-1216C47A --desired-value 8",
    )
    assert checks["spot vCPU quota"][0] == (
        "eu-west-1 grants 2 vCPUs of spot machines; 0 are in use, and the cluster takes 8 more"
    )
    assert "L-34B43A08" in checks["spot vCPU quota"][1]
    assert checks["elastic address quota"][0] == (
        "eu-west-1 grants 2 elastic IP addresses; 0 are in use, and the cluster takes 3 more"
    )


def test_the_default_quota_where_the_account_has_none_of_its_own(aws, checked):
    aws.refuse("servicequotas:GetServiceQuota", "NoSuchResourceException", "none")
    aws.answer("servicequotas:GetAWSDefaultServiceQuota", {"Quota": {"Value": 13.0}})
    assert "grants 13 vCPUs" in failing(checked())["vCPU quota"][0]


def test_machines_that_are_there_take_no_more(aws, client, checked):
    ec2 = client("ec2")
    tags = {"anywhere-cluster": "wars", "anywhere-group": "etcd", "anywhere-name": "etcd1"}
    specification = {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
    ec2.run_instances(ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1, TagSpecifications=[specification])
    ec2.run_instances(ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1)
    ec2.run_instances(ImageId=IMAGE, InstanceType="g4dn.xlarge", MinCount=1, MaxCount=1)
    assert checked()["vCPU quota"].detail.startswith("12 more to take, ")


def test_a_type_of_another_architecture(aws, checked, defined):
    checks = failing(checked(defined(sizes={"small": "t4g.small"})))
    assert checks["types"] == (
        "t4g.small is for arm64, but machines of etcd are amd64",
        "Fix providers.aws.sizes.",
    )


def test_a_type_that_there_is_not(aws, checked, defined):
    checks = failing(checked(defined(sizes={"small": "t3.smalll"})))
    assert "t3.smalll" in checks["types"][0] and checks["types"][1] == "Fix providers.aws.sizes."


def test_a_zone_of_the_lock_that_lost_a_type(aws, checked, defined, lock_file):
    lock_file({"region": "eu-west-1", "zones": ["eu-west-1z"], "images": {"amd64": IMAGE}})
    assert failing(checked())["zones"][0] == "eu-west-1 has no zone eu-west-1z for this account"


def test_an_image_of_the_lock_that_is_gone(aws, checked, lock_file):
    lock_file({"region": "eu-west-1", "zones": ["eu-west-1a"], "images": {"amd64": "ami-00000000000000000"}})
    detail, hint = failing(checked())["machine images"]
    assert detail == "The machine image ami-00000000000000000 is not there, or not for this account in eu-west-1"
    assert hint.endswith("`anywhere images lock`.")


def test_credentials_of_another_account_than_the_lock(aws, checked, lock_file):
    lock_file({"region": "eu-west-1", "zones": ["eu-west-1a"], "images": {"amd64": IMAGE}, "account": "210987654321"})
    detail, hint = failing(checked())["credentials"]
    assert detail == f"The credentials are of account 123456789012 ({ADMIN}), and the lock is of account 210987654321"
    assert hint.startswith("Name a profile of 210987654321 in AWS_PROFILE")


def test_credentials_of_another_account_than_is_given(aws, checked, defined):
    (check,) = failing(checked(defined(account="210987654321"))).values()
    assert "and the definition is of account 210987654321" in check[0]


def test_a_fault_of_aws_is_no_refusal(aws, checked):
    aws.refuse("servicequotas:GetServiceQuota", "InternalError", status=500)
    checks = checked()
    assert not checks["vCPU quota"].ok and not checks["vCPU quota"].needed


def test_a_cluster_of_the_name_in_another_region(aws, client, checked):
    bucket = "wars-documents-123456789012"
    where = {"LocationConstraint": "eu-central-1"}
    client("s3", "eu-central-1").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    message, hint = failing(checked())["name"]
    assert message.startswith("There is a cluster wars in eu-central-1")
    assert "metadata.name" in hint
    client("s3", "eu-central-1").delete_bucket(Bucket=bucket)
    where = {"LocationConstraint": "eu-west-1"}
    client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    assert failing(checked()) == {}


def test_another_vpc_of_the_same_range(aws, client, checked):
    other = client("ec2").create_vpc(CidrBlock="10.20.128.0/17")["Vpc"]["VpcId"]
    check = checked()["other VPCs"]
    assert check.ok
    assert check.detail == f"{other} overlaps with 10.20.0.0/16, which is allowed, but rules out peering with it"


@pytest.fixture
def backed(client, provider, defined):
    """A definition whose bucket was made by us."""
    definition = defined(backend={"s3": {"bucket": "states-of-wars"}})
    provider.create_backend(definition)
    client("s3").delete_bucket_policy(Bucket="states-of-wars")  # it refuses plain HTTP, which is all that moto has here
    return definition


def test_a_bucket_that_is_well(checked, backed):
    checks = checked(backed)
    assert checks["state bucket"].detail == "states-of-wars in eu-west-1, versioned, of account 123456789012"
    assert checks["state lock"].detail == "nobody holds wars/terraform.tfstate"


def test_a_bucket_that_is_not_there(aws, checked, defined):
    detail, hint = failing(checked(defined(backend={"s3": {"bucket": "states-of-wars"}})))["state bucket"]
    assert detail == "There is no bucket states-of-wars for Terraform's state"
    assert hint == "Make it: `anywhere backend create`."


def test_a_bucket_without_versions(client, checked, backed):
    client("s3").put_bucket_versioning(Bucket="states-of-wars", VersioningConfiguration={"Status": "Suspended"})
    detail, hint = failing(checked(backed))["state bucket"]
    assert detail == "The bucket states-of-wars keeps no versions: a state that is overwritten would be lost"
    assert hint.startswith("aws s3api put-bucket-versioning --bucket states-of-wars")


def test_a_bucket_of_another_owner(aws, checked, backed):
    aws.refuse("s3:HEAD", "", status=403)
    detail, hint = failing(checked(backed))["state bucket"]
    assert detail.startswith("The bucket states-of-wars belongs to another account than 123456789012")
    assert "providers.aws.backend.s3.bucket" in hint


def test_a_state_that_another_run_holds(client, checked, backed):
    lock = {"ID": "0f4a", "Operation": "OperationTypeApply", "Who": "ann@desk", "Created": "2026-11-24T08:00:00Z"}
    client("s3").put_object(Bucket="states-of-wars", Key="wars/terraform.tfstate.tflock", Body=json.dumps(lock))
    assert failing(checked(backed))["state lock"] == (
        "The state is locked by ann@desk since 2026-11-24T08:00:00Z (OperationTypeApply)",
        "Wait until that run ends. If it is dead: terraform force-unlock 0f4a in the rendered folder.",
    )


def test_types_on_xen_are_refused(aws, checked, defined):
    for kind in ("t2.medium", "m4.large"):
        failed = failing(checked(defined(sizes={"medium": kind})))
        detail, hint = failed["types"]
        assert "vCPU quota" not in failed  # which asks for the same types
        assert detail == f"{kind} runs on Xen. Machines need a type of the Nitro system, whose disks are NVMe"
        assert hint == "Choose a later generation in providers.aws.sizes, such as t3 for t2 and m5 for m4."


def test_two_subnets_of_one_zone_with_a_balancer_are_refused(aws, client, checked, defined, existing):
    more = client("ec2").create_subnet(VpcId=existing["id"], CidrBlock="10.20.4.0/24", AvailabilityZone="eu-west-1b")
    subnets = [*existing["subnets"], more["Subnet"]["SubnetId"]]
    definition = defined(vpc=existing | {"subnets": subnets})
    several = replace(definition, masters=replace(definition.masters, count=3))  # whose default is a balancer
    for each in (defined(vpc=existing | {"subnets": subnets}, load_balancer=True), several):
        detail, hint = failing(checked(each))["VPC"]
        assert detail.endswith("are both in eu-west-1b; a load balancer takes one per zone")
        assert hint == "Name one subnet per zone in providers.aws.vpc.public_subnets, or write load_balancer: false."


def test_a_type_that_only_some_zones_have_is_for_a_pool_alone(aws, checked, defined, lock_file):
    offered = "".join(
        f"<item><instanceType>{kind}</instanceType><locationType>availability-zone</locationType>"
        f"<location>{zone}</location></item>"
        for kind, zones in (("t3.small", "ab"), ("t3.medium", "ab"), ("g4dn.xlarge", "b"))
        for zone in (f"eu-west-1{letter}" for letter in zones)
    )
    answer = "DescribeInstanceTypeOfferingsResponse"
    items = f"<instanceTypeOfferingSet>{offered}</instanceTypeOfferingSet>"
    aws.answer("ec2:DescribeInstanceTypeOfferings", f"<{answer}>{items}</{answer}>")
    lock_file({"region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"], "images": {"amd64": IMAGE}})
    pools = [{"name": "general", "count": 1, "size": "medium"}, {"name": "gpu", "count": 1, "size": "large"}]
    definition = defined(pools, sizes={"large": "g4dn.xlarge"})
    detail, hint = failing(checked(definition))["zones"]
    assert detail == "Zone eu-west-1a does not offer g4dn.xlarge, for worker-gpu"
    assert hint == "Run `anywhere images lock`: the pool then uses eu-west-1b; all else stays."
    found = load("aws").facts(definition)
    assert found["zones"] == ["eu-west-1a", "eu-west-1b"] and found["pool_zones"] == {"gpu": ["eu-west-1b"]}
    lock_file(found)
    assert checked(definition)["zones"].ok


def regions(**states):
    items = "".join(
        f"<item><regionName>{name}</regionName><optInStatus>{state}</optInStatus></item>"
        for name, state in states.items()
    )
    return f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
