"""The way out of a VPC that was there before the cluster: a default route that leads somewhere, or endpoints."""

import pytest

ROUTES = """\
<DescribeRouteTablesResponse><routeTableSet><item>
  <routeTableId>rtb-1</routeTableId><vpcId>{vpc}</vpcId><ownerId>{owner}</ownerId>
  <routeSet>
    <item><destinationCidrBlock>10.20.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state></item>
    {routes}
  </routeSet>
  <associationSet><item><main>true</main></item></associationSet>
</item></routeTableSet></DescribeRouteTablesResponse>
"""


ENDPOINT = """\
<item>
  <vpcEndpointId>vpce-1</vpcEndpointId><serviceName>com.amazonaws.eu-west-1.{}</serviceName><state>{}</state>
  <vpcEndpointType>Interface</vpcEndpointType><privateDnsEnabled>true</privateDnsEnabled>{}
</item>
"""


@pytest.fixture
def look(checked, defined, existing):
    """The check, of the VPC with whatever was made in it."""
    return lambda: checked(defined(vpc=existing))["way out"]


@pytest.fixture
def routes(aws, existing):
    """Let the VPC's table have these routes, (range, kind of target, its id, state); moto knows no dead ones."""

    def answer(*given, owner="123456789012"):
        shown = "".join(
            f"<item><destinationCidrBlock>{cidr}</destinationCidrBlock><{kind}>{target}</{kind}>"
            f"<state>{state}</state></item>"
            for cidr, kind, target, state in given
        )
        aws.answer("ec2:DescribeRouteTables", ROUTES.format(vpc=existing["id"], owner=owner, routes=shown))

    return answer


@pytest.fixture
def endpoint(client, existing):
    """Make an endpoint of a service; its id."""

    def make(service, **given):
        name = f"com.amazonaws.eu-west-1.{service}"
        made = client("ec2").create_vpc_endpoint(VpcId=existing["id"], ServiceName=name, **given)
        return made["VpcEndpoint"]["VpcEndpointId"]

    return make


@pytest.fixture
def named(endpoint, existing):
    """The same, of an interface that answers to the service's own name."""
    return lambda service: endpoint(
        service, VpcEndpointType="Interface", SubnetIds=existing["subnets"], PrivateDnsEnabled=True
    )


def shown(service, state="available", dns=""):
    """An interface of a service, as EC2 lists it; moto knows neither its states nor its DNS options."""
    item = ENDPOINT.format(service, state, dns)
    return f"<DescribeVpcEndpointsResponse><vpcEndpointSet>{item}</vpcEndpointSet></DescribeVpcEndpointsResponse>"


def table_of(client, existing):
    filters = [{"Name": "vpc-id", "Values": [existing["id"]]}]
    (table,) = client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    return table["RouteTableId"]


def hostnames(client, existing, value):
    client("ec2").modify_vpc_attribute(VpcId=existing["id"], EnableDnsHostnames={"Value": value})


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("natGatewayId", "nat-1"),
        ("transitGatewayId", "tgw-1"),
        ("networkInterfaceId", "eni-1"),
        ("instanceId", "i-1"),
        ("gatewayId", "vgw-1"),
        ("gatewayId", "vpce-1"),  # a firewall behind a Gateway Load Balancer
        ("coreNetworkArn", "arn:aws:networkmanager::1:core-network/core-network-1"),
    ],
)
def test_a_default_route_to_anything_that_is_up(aws, look, routes, existing, kind, target):
    routes(("0.0.0.0/0", kind, target, "active"))
    check = look()
    assert (check.ok, check.detail) == (True, f"{existing['subnets'][0]} by {target}")
    assert "ec2:DescribeVpcEndpoints" not in aws.asked


@pytest.mark.parametrize(
    ("kind", "target", "state", "why"),
    [
        ("natGatewayId", "nat-1", "blackhole", "which is gone"),
        ("gatewayId", "igw-1", "active", "which serves machines with public addresses alone"),
    ],
)
def test_a_default_route_that_leads_nowhere(look, routes, existing, kind, target, state, why):
    routes(("0.0.0.0/0", kind, target, state))
    check = look()
    assert (check.ok, check.needed) == (False, True)
    assert check.detail == (
        f"Machines in {existing['subnets'][0]} cannot reach S3 and Secrets Manager: the default route of rtb-1 leads "
        f"to {target}, {why}, and no endpoint in {existing['id']} serves them"
    )


def test_no_way_out_at_all(client, look, existing):
    table = table_of(client, existing)
    check = look()
    assert (check.ok, check.needed) == (False, True)
    assert check.detail == (
        f"Machines in {existing['subnets'][0]} cannot reach S3 and Secrets Manager: {table} has no default route, and "
        f"no endpoint in {existing['id']} serves them"
    )
    assert check.hint == (
        f"Give {table} a default route (to a NAT gateway, transit gateway or firewall), or {existing['id']} endpoints: "
        f"com.amazonaws.eu-west-1.s3 (gateway, with {table}) and com.amazonaws.eu-west-1.secretsmanager (interface, "
        "with private DNS)."
    )


def test_a_peering_or_a_route_elsewhere_may_lead_to_endpoints_that_others_share(look, routes):
    for cidr, kind, target in (
        ("0.0.0.0/0", "vpcPeeringConnectionId", "pcx-1"),
        ("10.0.0.0/8", "transitGatewayId", "tgw-1"),
    ):
        routes((cidr, kind, target, "active"))
        check = look()
        assert (check.ok, check.needed) == (False, False)
        assert "may not reach S3 and Secrets Manager" in check.detail
    routes(("10.0.0.0/8", "transitGatewayId", "tgw-1", "blackhole"))
    assert look().needed


def test_what_the_owner_of_a_shared_vpc_has_is_not_to_be_seen(aws, look, routes):
    routes(owner="999999999999")
    assert not look().ok and not look().needed
    aws.answer("ec2:DescribeRouteTables", "<DescribeRouteTablesResponse><routeTableSet/></DescribeRouteTablesResponse>")
    check = look()
    assert (check.ok, check.needed) == (False, False)
    assert "their route table is not to be seen" in check.detail


def test_a_table_of_the_subnets_own_comes_before_the_main_one(client, look, routed):
    ec2 = client("ec2")
    assert look().ok
    table = ec2.create_route_table(VpcId=routed["id"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=routed["subnets"][0])
    assert f"{table} has no default route" in look().detail


def test_each_subnet_is_looked_at(client, checked, defined, routed):
    ec2 = client("ec2")
    block = {"CidrBlock": "10.20.1.0/24", "AvailabilityZone": "eu-west-1c"}
    second = ec2.create_subnet(VpcId=routed["id"], **block)["Subnet"]["SubnetId"]
    both = {"id": routed["id"], "subnets": [*routed["subnets"], second]}
    assert checked(defined(vpc=both))["way out"].detail.startswith(f"{routed['subnets'][0]}, {second} by tgw-")
    table = ec2.create_route_table(VpcId=routed["id"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=second)
    check = checked(defined(vpc=both))["way out"]
    assert check.needed and check.detail.startswith(f"Machines in {second} cannot reach ")


def test_what_is_certain_comes_before_a_doubt(client, checked, defined, existing):
    ec2 = client("ec2")
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    route = {"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": gateway}
    ec2.create_route(RouteTableId=table_of(client, existing), **route)
    block = {"CidrBlock": "10.20.1.0/24", "AvailabilityZone": "eu-west-1c"}
    second = ec2.create_subnet(VpcId=existing["id"], **block)["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=existing["id"])["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=second)
    both = {"id": existing["id"], "subnets": [*existing["subnets"], second]}
    check = checked(defined(vpc=both))["way out"]
    assert check.needed and check.detail.startswith(f"Machines in {second} cannot reach ")


def test_endpoints_instead_of_a_default_route(client, look, endpoint, named, existing):
    hostnames(client, existing, True)
    s3 = endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[table_of(client, existing)])
    check = look()
    assert "cannot reach Secrets Manager: " in check.detail
    assert check.hint.endswith("endpoints: com.amazonaws.eu-west-1.secretsmanager (interface, with private DNS).")
    secrets = named("secretsmanager")
    check = look()
    assert check.ok
    assert check.detail == f"{existing['subnets'][0]} by {s3} and {secrets}, to S3 and Secrets Manager alone"


def test_an_endpoint_of_another_route_table(client, look, endpoint, named, existing):
    hostnames(client, existing, True)
    named("secretsmanager")
    other = client("ec2").create_route_table(VpcId=existing["id"])["RouteTable"]["RouteTableId"]
    endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[other])
    check = look()
    assert check.needed and "cannot reach S3: " in check.detail


def test_interfaces_for_both(client, look, named, existing):
    hostnames(client, existing, True)
    named("s3"), named("secretsmanager")
    assert look().ok


def test_an_interface_for_networks_joined_to_the_vpc_alone(aws, client, look, existing):
    hostnames(client, existing, True)
    key = "privateDnsOnlyForInboundResolverEndpoint"
    for inbound in ("false", "true"):
        dns = f"<dnsOptions><{key}>{inbound}</{key}></dnsOptions>"
        aws.answer("ec2:DescribeVpcEndpoints", shown("s3", dns=dns))
        assert ("reach S3 and" in look().detail) == (inbound == "true")


def test_an_endpoint_without_private_names_may_have_names_of_the_users(client, look, endpoint, existing):
    endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[table_of(client, existing)])
    endpoint("secretsmanager", VpcEndpointType="Interface", SubnetIds=existing["subnets"], PrivateDnsEnabled=False)
    check = look()
    assert (check.ok, check.needed) == (False, False)
    assert "may not reach Secrets Manager" in check.detail and "with private DNS" in check.hint


def test_an_endpoint_that_is_not_yet_up(aws, look):
    aws.answer("ec2:DescribeVpcEndpoints", shown("secretsmanager", "pendingAcceptance"))
    check = look()
    assert check.needed and "cannot reach S3 and Secrets Manager" in check.detail


def test_names_that_endpoints_need(client, look, endpoint, named, existing):
    endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=[table_of(client, existing)])
    named("secretsmanager")
    hostnames(client, existing, False)
    check = look()
    assert check.needed and check.detail.startswith(f"The VPC {existing['id']} has enableDnsHostnames off")
    assert check.hint.endswith(f"modify-vpc-attribute --vpc-id {existing['id']} --enable-dns-hostnames")


def test_names_that_every_machine_needs(client, look, routed):
    assert look().ok  # where a route leads out, nobody asks for enableDnsHostnames
    client("ec2").modify_vpc_attribute(VpcId=routed["id"], EnableDnsSupport={"Value": False})
    check = look()
    assert check.needed and check.detail.startswith(f"The VPC {routed['id']} has enableDnsSupport off")


@pytest.mark.parametrize("action", ["DescribeRouteTables", "DescribeVpcEndpoints", "DescribeVpcAttribute"])
def test_what_may_not_be_looked_at_is_a_warning(aws, look, action):
    aws.refuse(f"ec2:{action}", "UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
    check = look()
    assert (check.ok, check.needed) == (False, False)
    assert check.detail == (
        f"AWS denies ec2:{action}, which is needed to "
        + (
            "look at the VPC that the definition names"
            if action == "DescribeRouteTables"
            else "see whether machines find a way out of the VPC"
        )
    )
    assert check.hint.startswith(f"Have ec2:{action} allowed to ")
