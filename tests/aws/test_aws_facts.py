"""What is written to the lock, and what is rendered from it."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from generator.errors import UserError
from generator.lock import StoreRecord
from providers import load

ZONES = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
AMD64, ARM64 = "ami-0a000000000000010", "ami-0b000000000000010"


@pytest.fixture
def provider():
    return load("aws")


@pytest.fixture
def vpc(client):
    """A VPC with two private subnets and a public one."""
    ec2 = client("ec2")
    name = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=name, EnableDnsHostnames={"Value": True})
    private = [
        ec2.create_subnet(VpcId=name, CidrBlock=f"10.20.{n}.0/24", AvailabilityZone=ZONES[n])["Subnet"]["SubnetId"]
        for n in (0, 1)
    ]
    public = ec2.create_subnet(VpcId=name, CidrBlock="10.20.9.0/24", AvailabilityZone=ZONES[0])["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=name)
    table = ec2.create_route_table(VpcId=name)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    return {"id": name, "subnets": private, "public_subnets": [public]}


def refused(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return caught.value.message, caught.value.hint


def test_zones_that_offer_the_types_and_the_newest_images(aws, provider, defined):
    assert provider.facts(defined()) == {
        "region": "eu-west-1",
        "account": "123456789012",
        "images": {"amd64": AMD64},
        "zones": ZONES,
    }


def test_an_image_for_each_architecture(aws, provider, defined):
    definition = defined([{"name": "arm", "count": 1, "size": "small", "arch": "arm64"}])
    assert provider.facts(definition)["images"] == {"amd64": AMD64, "arm64": ARM64}


def test_nothing_is_asked_where_zones_and_images_are_given(environment, provider, defined, locked):
    definition = defined(zones=ZONES[:2], images={"amd64": "ami-0123456789abcdef0"})
    facts = provider.facts(definition)
    assert facts == {"region": "eu-west-1", "zones": ZONES[:2], "images": {"amd64": "ami-0123456789abcdef0"}}
    assert provider.settings(definition, locked(facts))["zones"] == ZONES[:2]


def test_an_account_that_is_given_is_not_asked_for(environment, provider, defined, locked):
    definition = defined(zones=ZONES[:2], images={"amd64": "ami-0123456789abcdef0"}, account="210987654321")
    facts = provider.facts(definition)
    assert provider.settings(definition, locked(facts))["account"] == facts["account"] == "210987654321"


def test_credentials_of_another_account_than_is_given(aws, provider, defined, locked):
    message, hint = refused(provider.facts, defined(account="210987654321"))
    assert message == "The credentials are of account 123456789012, and the definition is for 210987654321."
    assert "AWS_PROFILE" in hint
    message, hint = refused(provider.settings, defined(account="210987654321"), locked(provider.facts(defined())))
    assert message == "The lock is of account 123456789012, the definition of 210987654321."


def test_a_machines_network_that_cannot_be_cut_by_zone(aws, provider, defined, locked):
    definition = defined()
    small = replace(definition, network=replace(definition.network, machines=IPv4Network("10.20.0.0/20")))
    message, hint = refused(provider.settings, small, locked(provider.facts(definition)))
    assert message.startswith("spec.network.machines 10.20.0.0/20 is too small for AWS")
    assert hint.startswith("Make it a /19 or larger, or name a VPC")


def test_settings_are_those_of_the_definition_and_the_lock(environment, provider, defined, locked):
    definition = defined(nat="zone", tags={"team": "blue"}, sizes={"medium": "m7i.large"})
    lock = locked({"region": "eu-west-1", "zones": ZONES, "images": {"amd64": AMD64}, "account": "1"})
    assert provider.settings(definition, lock) == {
        "region": "eu-west-1",
        "zones": ZONES,
        "types": {"small-amd64": "t3.small", "medium-amd64": "m7i.large"},
        "admin_cidrs": ["203.0.113.0/24"],
        "nat": "zone",
        "load_balancer": False,
        "vpc": None,
        "tags": {"team": "blue"},
        "account": "1",
    }
    assert provider.base_images(lock) == {"amd64": AMD64}
    assert provider.subnets(lock) == ()


def test_a_vpc_of_the_users(aws, provider, defined, locked, vpc):
    definition = defined(vpc=vpc)
    facts = provider.facts(definition)
    subnets = [{"id": vpc["subnets"][n], "zone": ZONES[n], "cidr": f"10.20.{n}.0/24"} for n in (0, 1)]
    assert facts["subnets"] == subnets
    assert facts["zones"] == ZONES[:2]
    assert provider.subnets(locked(facts)) == (IPv4Network("10.20.0.0/24"), IPv4Network("10.20.1.0/24"))
    assert provider.settings(definition, locked(facts))["vpc"] == {**vpc, "subnets": subnets}


def test_a_lock_without_facts(environment, provider, defined, locked):
    message, hint = refused(provider.settings, defined(), locked(None))
    assert message == "The lock has no facts of AWS."
    assert "`anywhere images lock`" in hint
    assert refused(provider.base_images, locked(None))[0] == message


def test_a_lock_of_something_else(environment, provider, defined, locked):
    facts = {"region": "us-east-1", "zones": ["us-east-1a"], "images": {"arm64": ARM64}}
    message, hint = refused(provider.settings, defined(), locked(facts))
    assert message == (
        "The lock is of region us-east-1, the definition of eu-west-1, and has no machine image for amd64."
    )
    assert hint == "Refresh the lock: `anywhere images lock`."
    applied = replace(locked(facts), secrets=StoreRecord("0" * 32, {}))
    message, hint = refused(provider.settings, defined(), applied)
    assert hint.startswith("Put back region: us-east-1: ") and "images lock" not in hint


def test_no_section(provider, defined):
    from dataclasses import replace

    definition = defined()
    message, hint = refused(provider.facts, replace(definition, providers=replace(definition.providers, aws=None)))
    assert message.endswith("cluster.yaml does not say where on AWS: it has no providers.aws.")
    assert "region: eu-west-1" in hint


def test_a_type_that_a_zone_lacks(aws, provider, defined):
    aws.answer(
        "ec2:DescribeInstanceTypeOfferings",
        offers({"eu-west-1a": ("t3.small", "t3.medium"), "eu-west-1b": ("t3.small",)}),
    )
    assert provider.facts(defined())["zones"] == ["eu-west-1a"]
    message, hint = refused(provider.facts, defined(zones=["eu-west-1b"]))
    assert message == "Zone eu-west-1b does not offer t3.medium."
    assert hint == "Zones that do: eu-west-1a. Change providers.aws.zones or providers.aws.sizes."


def test_a_type_that_no_zone_has(aws, provider, defined):
    aws.answer("ec2:DescribeInstanceTypeOfferings", offers({"eu-west-1a": ("t3.small",)}))
    message, hint = refused(provider.facts, defined())
    assert message.startswith("No zone of eu-west-1 offers all of t3.medium, t3.small: eu-west-1a lacks t3.medium;")
    assert hint == "Choose other types in providers.aws.sizes, or another region."


def test_a_zone_that_is_not_there(aws, provider, defined):
    message, hint = refused(provider.facts, defined(zones=["eu-west-1z"]))
    assert message == "eu-west-1 has no zone eu-west-1z for this account."
    assert hint == "Write some of these in providers.aws.zones: eu-west-1a, eu-west-1b, eu-west-1c."


def test_a_region_without_zones(aws, provider, defined):
    empty = "<DescribeAvailabilityZonesResponse><availabilityZoneInfo/></DescribeAvailabilityZonesResponse>"
    aws.answer("ec2:DescribeAvailabilityZones", empty)
    message, hint = refused(provider.facts, defined())
    assert message == "Region eu-west-1 has no zones for this account."
    assert hint == "Write another in providers.aws.region."


def test_a_region_without_images_of_debian(aws, provider, defined):
    aws.answer("ec2:DescribeImages", "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>")
    message, hint = refused(provider.facts, defined())
    assert message == "Debian (136693071363) has no image debian-13-amd64-* in eu-west-1."
    assert hint == "Give one of your own: providers.aws.images: {amd64: ami-...}."


def test_an_image_that_is_not_there(aws, provider, defined):
    message, hint = refused(provider.facts, defined(images={"amd64": "ami-0123456789abcdef0"}))
    assert message == "The machine image ami-0123456789abcdef0 is not there, or not for this account in eu-west-1."
    assert "anywhere images lock" in hint


def test_an_image_of_another_architecture(aws, provider, defined):
    message, hint = refused(provider.facts, defined(images={"amd64": ARM64}))
    assert message == f"The machine image {ARM64} is for arm64, and machines of amd64 need another."
    assert "providers.aws.images" in hint


def test_an_image_that_launch_templates_do_not_fit(aws, provider, defined, monkeypatch):
    monkeypatch.setattr("providers.aws.images.ROOT", "/dev/sda1")
    message, hint = refused(provider.facts, defined(images={"amd64": AMD64}))
    assert message == f"The root device of machine image {AMD64} is /dev/xvda, and must be /dev/sda1."
    assert "Debian's own" in hint


def test_subnets_that_will_not_do(aws, client, provider, defined, vpc):
    def of(**changed):
        return refused(provider.facts, defined(vpc=vpc | changed))

    ec2 = client("ec2")
    other = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    assert of(id="vpc-0123456789abcdef0")[0] == "There is no VPC vpc-0123456789abcdef0 in eu-west-1."
    assert of(id=other)[0].endswith(f"belongs to {vpc['id']}, not to {other}.")
    assert of(subnets=["subnet-0123456789abcdef0"])[0].startswith("eu-west-1 lacks one of the subnets")
    message, hint = of(subnets=vpc["public_subnets"], public_subnets=[])
    assert message.endswith("(10.20.9.0/24) is a public subnet, and machines go to private ones.")
    assert hint == "Name private subnets, and it as public_subnets."
    assert of(public_subnets=vpc["subnets"])[0].endswith("no route leads to an internet gateway.")
    small = ec2.create_subnet(VpcId=vpc["id"], CidrBlock="10.20.8.0/28")["Subnet"]["SubnetId"]
    assert of(subnets=[small])[0].endswith("(10.20.8.0/28) is too small: it takes a /27 or larger.")


def test_a_subnet_outside_of_the_machines_range(aws, client, provider, defined):
    ec2 = client("ec2")
    name = ec2.create_vpc(CidrBlock="192.168.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=name, CidrBlock="192.168.1.0/24")["Subnet"]["SubnetId"]
    message, hint = refused(provider.facts, defined(vpc={"id": name, "subnets": [subnet]}))
    assert message == f"Subnet {subnet} (192.168.1.0/24) lies outside of 10.20.0.0/16, the machines' range."
    assert hint == "Fix spec.network.machines, or name another subnet."


def offers(by_zone):
    items = "".join(
        f"<item><instanceType>{kind}</instanceType><locationType>availability-zone</locationType>"
        f"<location>{zone}</location></item>"
        for zone, kinds in by_zone.items()
        for kind in kinds
    )
    return (
        "<DescribeInstanceTypeOfferingsResponse>"
        f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet></DescribeInstanceTypeOfferingsResponse>"
    )


def test_a_load_balancer_has_one_subnet_per_zone(aws, client, provider, defined, vpc):
    ec2 = client("ec2")
    second = ec2.create_subnet(VpcId=vpc["id"], CidrBlock="10.20.5.0/24", AvailabilityZone=ZONES[0])["Subnet"]
    doubled = {"id": vpc["id"], "subnets": [vpc["subnets"][0], second["SubnetId"]]}
    message, hint = refused(provider.facts, defined(vpc=doubled, load_balancer=True))
    assert message.endswith(f"are both in {ZONES[0]}; a load balancer takes one per zone.")
    assert hint == "Name one subnet per zone in providers.aws.vpc.public_subnets, or write load_balancer: false."
    # It stands in public subnets where there are some, and two private ones of a zone are no trouble.
    whole = doubled | {"public_subnets": vpc["public_subnets"]}
    assert provider.facts(defined(vpc=whole, load_balancer=True))["zones"] == ZONES[:1]
    assert provider.facts(defined(vpc=doubled, load_balancer=False))["zones"] == ZONES[:1]


def test_a_subnet_that_is_added_to_a_locked_network_moves_no_machine(aws, client, provider, defined, vpc, lock_file):
    facts = provider.facts(defined(vpc=vpc))
    lock_file(facts)
    third = client("ec2").create_subnet(VpcId=vpc["id"], CidrBlock="10.20.7.0/24", AvailabilityZone=ZONES[2])["Subnet"]
    more = vpc | {"subnets": [third["SubnetId"], *vpc["subnets"]]}
    found = provider.facts(defined(vpc=more))
    assert [subnet["id"] for subnet in found["subnets"]] == [*vpc["subnets"], third["SubnetId"]]
    assert (found["zones"], found["spread"]) == (ZONES, 2)
    message, _ = refused(provider.facts, defined(vpc=vpc | {"subnets": vpc["subnets"][:1]}))
    assert message.startswith("providers.aws.vpc.subnets no longer has subnet-")
