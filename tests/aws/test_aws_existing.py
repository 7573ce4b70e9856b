"""A VPC that was there before the cluster: what would clash in it, or be out of reach."""

from dataclasses import replace

from generator import topology
from tests.aws.checks import failing


def test_an_existing_vpc(aws, checked, defined, routed):
    checks = checked(defined(vpc=routed))
    assert failing(checks) == {}
    subnet = routed["subnets"][0]
    assert checks["VPC"].detail == f"{routed['id']}: {subnet} (10.20.0.0/24, eu-west-1b)"
    assert checks["ranges"].detail == f"pods 10.32.0.0/12 and services 10.96.0.0/16 are free in {routed['id']}"
    assert checks["fixed addresses"].detail == "those of etcd1, etcd2, etcd3, master1 are free"
    assert "elastic address quota" not in checks


def test_a_range_that_clashes_with_the_vpc(aws, client, checked, defined, routed):
    client("ec2").associate_vpc_cidr_block(VpcId=routed["id"], CidrBlock="10.40.0.0/16")
    assert failing(checked(defined(vpc=routed)))["ranges"] == (
        f"spec.network.pods 10.32.0.0/12 overlaps with 10.40.0.0/16, a range of {routed['id']}",
        "Give pods another range: machines could not reach what uses 10.40.0.0/16.",
    )


def test_a_range_that_clashes_with_a_route(aws, client, checked, defined, routed):
    ec2 = client("ec2")
    table = ec2.create_route_table(VpcId=routed["id"])["RouteTable"]["RouteTableId"]
    peer = ec2.create_vpc(CidrBlock="10.96.0.0/24")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=routed["id"], PeerVpcId=peer)["VpcPeeringConnection"]
    identity = peering["VpcPeeringConnectionId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.96.0.0/24", VpcPeeringConnectionId=identity)
    detail = failing(checked(defined(vpc=routed)))["ranges"][0]
    assert detail == f"spec.network.services 10.96.0.0/16 overlaps with 10.96.0.0/24, where a route of {table} leads"


def test_an_ssh_endpoint_that_is_there_already(aws, checked, defined, routed):
    definition = replace(defined(vpc=routed), ssh_keys=("ssh-ed25519 AAAA somebody",))
    assert checked(definition)["SSH endpoint"].detail == f"{routed['id']} has none yet"
    endpoint = "<instanceConnectEndpointId>eice-0123456789abcdef0</instanceConnectEndpointId>"
    found = "<Response><instanceConnectEndpointSet><item>{}</item></instanceConnectEndpointSet></Response>"
    aws.answer("ec2:DescribeInstanceConnectEndpoints", found.format(endpoint))
    message, hint = failing(checked(definition))["SSH endpoint"]
    assert message.startswith(f"{routed['id']} has an EC2 Instance Connect Endpoint already, eice-0123456789abcdef0")
    assert "ssh_keys" in hint
    own = "<tagSet><item><key>anywhere-cluster</key><value>wars</value></item></tagSet>"
    aws.answer("ec2:DescribeInstanceConnectEndpoints", found.format(endpoint + own))
    assert checked(definition)["SSH endpoint"].ok


def test_an_address_that_is_taken(aws, client, provider, defined, routed):
    definition = defined(vpc=routed)
    machines = topology.lay_out(definition, topology.blocks(definition, {}))
    fixed = replace(machines.machines[0], address="10.20.0.11")
    card = client("ec2").create_network_interface(SubnetId=routed["subnets"][0], PrivateIpAddress="10.20.0.11")
    name = card["NetworkInterface"]["NetworkInterfaceId"]
    found = provider.preflight(definition, replace(machines, machines=(fixed, *machines.machines[1:])))
    assert failing({check.subject: check for check in found})["fixed addresses"] == (
        f"10.20.0.11, which etcd1 is to have, belongs to {name} already",
        "Free that address, or name another subnet in providers.aws.vpc.subnets.",
    )
