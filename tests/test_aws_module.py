"""modules/aws as it is rendered, planned and applied by the real Terraform against a stand-in for the provider.

The stand-in makes resources up in Terraform's state, so that what refers to what can be seen.
"""

import json
import re
import subprocess
from collections import Counter
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

import pytest

from tests import clouds, golden
from tests.aws_clusters import CLUSTERS, FIRST, SECOND, SUBNETS, VPC
from tests.clouds import TERRAFORM, Applied, Cluster

pytest_plugins = ["tests.aws_fixtures"]

MODULES = golden.HERE.parent.parent / "modules"
ZONES = clouds.FACTS["aws"]["zones"]
NETWORK = IPv4Network("10.20.0.0/16")
OWN_NETWORK = [name for name in CLUSTERS if name != "existing"]


def rules(cluster: Applied, direction: str) -> list[dict[str, Any]]:
    return cluster.of_type(f"aws_vpc_security_group_{direction}_rule")


def test_is_formatted():
    subprocess.run([TERRAFORM, "fmt", "-check", "-diff", str(MODULES / "aws")], check=True)


def declared(module: str, kind: str) -> dict[str, str]:
    """The variables or outputs of a module: name -> type."""
    folders = (MODULES / "common", MODULES / module)
    text = "".join(file.read_text() for folder in folders for file in folder.glob("*.tf"))
    blocks = re.findall(rf'^{kind} "(\w+)" {{\n(.*?)^}}$', text, re.MULTILINE | re.DOTALL)
    types = {name: re.search(r"^  type\s*=(.*?)(?=^  \w|\Z)", body, re.MULTILINE | re.DOTALL) for name, body in blocks}
    return {name: found.group(1).strip() if found else "" for name, found in types.items()}


def test_takes_and_gives_what_the_local_module_does():
    here, there = declared("aws", "variable"), declared("local", "variable")
    assert here.pop("settings") != there.pop("settings")
    assert "object({" in here["machines"]
    assert here == there
    assert declared("aws", "output") == declared("local", "output")
    own = {"identities.tf", "logs.tf", "offline_override.tf", "unprotect_override.tf"}
    files = {module: {file.name for file in (MODULES / module).glob("*.tf")} for module in ("aws", "local")}
    assert files["aws"] - own == files["local"]


@pytest.mark.parametrize("name", ["star-wars", "spot"])
def test_is_valid(aws, name):
    assert json.loads(aws(name).terraform("validate", "-json"))["diagnostics"] == []


def test_a_network_without_room_for_zones_is_refused(aws_environment, tmp_path):
    folder = clouds.write(tmp_path / "c", "aws", "star-wars")
    variables = folder / "terraform.tfvars.json"
    values = json.loads(variables.read_text())
    values["network"]["machines"] = "10.20.0.0/20"
    variables.write_text(json.dumps(values))
    cluster = Cluster(folder, aws_environment)
    cluster.terraform("init")
    assert "must be /19 or larger" in cluster.terraform("plan", fails=True)


# Machines


@pytest.mark.parametrize("name", CLUSTERS)
def test_no_metadata_without_a_token_and_none_for_containers(aws, name):
    cluster = aws(name)
    started = [*cluster.all("aws_instance.machine").values(), *cluster.all("aws_launch_template.pool").values()]
    for options in (shape["metadata_options"][0] for shape in started):
        assert options["http_tokens"] == "required"
        assert options["http_put_response_hop_limit"] == 1
        assert options["instance_metadata_tags"] == "enabled"


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_disk_is_encrypted_with_the_key_of_the_cluster(aws, name):
    cluster = aws(name)
    key = cluster.one("aws_kms_key.cluster")
    templates = cluster.all("aws_launch_template.pool").values()
    disks = [
        *cluster.all("aws_ebs_volume.etcd").values(),
        *(machine["root_block_device"][0] for machine in cluster.all("aws_instance.machine").values()),
        *(mapping["ebs"][0] for template in templates for mapping in template["block_device_mappings"]),
    ]
    # A launch template takes its booleans as strings.
    assert {(str(disk["encrypted"]).lower(), disk["kms_key_id"]) for disk in disks} == {("true", key["arn"])}
    assert key["enable_key_rotation"] is True


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_volume_of_etcd_is_where_its_machine_is(aws, name):
    cluster = aws(name)
    zones = {subnet["id"]: subnet["availability_zone"] for subnet in cluster.of_type("aws_subnet")}
    zones |= {subnet["id"]: subnet["zone"] for subnet in SUBNETS}
    machines, volumes = cluster.all("aws_instance.machine"), cluster.all("aws_ebs_volume.etcd")
    assert len(volumes) == 3
    for key, volume in volumes.items():
        assert volume["availability_zone"] == zones[machines[key]["subnet_id"]]
        attachment = cluster.all("aws_volume_attachment.etcd")[key]
        assert (attachment["volume_id"], attachment["instance_id"]) == (volume["id"], machines[key]["id"])


def test_machines_are_in_different_zones_at_their_fixed_addresses(aws):
    machines = aws("star-wars").all("aws_instance.machine")
    zones = {name: subnet["availability_zone"] for name, subnet in aws("star-wars").all("aws_subnet.machine").items()}
    assert {name: (machine["private_ip"], zones[name]) for name, machine in machines.items()} == {
        "etcd1": ("10.20.0.10", "eu-west-1a"),
        "etcd2": ("10.20.0.42", "eu-west-1b"),
        "etcd3": ("10.20.0.74", "eu-west-1c"),
        "master1": ("10.20.1.10", "eu-west-1a"),
    }
    assert not any(machine["associate_public_ip_address"] for machine in machines.values())


def test_machines_know_who_they_are_by_their_tags(aws):
    cluster = aws("star-wars")
    bucket = cluster.all("aws_s3_bucket.bucket")["documents"]["bucket"]
    common = {"anywhere-cluster": "star-wars", "anywhere-documents": bucket}
    etcd = cluster.all("aws_instance.machine")["etcd1"]["tags_all"]
    assert (
        etcd.items() >= {**common, "anywhere-name": "etcd1", "anywhere-role": "etcd", "anywhere-group": "etcd"}.items()
    )
    (group,) = cluster.all("aws_autoscaling_group.pool").values()
    worker = {tag["key"]: tag["value"] for tag in group["tag"]}
    assert worker.items() >= {**common, "anywhere-role": "worker", "anywhere-group": "worker-general"}.items()
    assert "anywhere-name" not in worker
    assert all(tag["propagate_at_launch"] for tag in group["tag"])


def test_tags_of_the_definition_reach_workers_and_their_disks(aws):
    cluster = aws("zonal")
    assert all(
        {"key": "team", "value": "a b", "propagate_at_launch": True} in group["tag"]
        for group in cluster.all("aws_autoscaling_group.pool").values()
    )
    for template in cluster.all("aws_launch_template.pool").values():
        for specification in template["tag_specifications"]:
            assert specification["tags"].items() >= {"team": "a b", "anywhere-cluster": "ha"}.items()
    assert cluster.all("aws_instance.machine")["master1"]["tags_all"]["team"] == "a b"


def test_a_machine_that_was_stopped_is_started_again(aws):
    cluster = aws("star-wars")
    wanted = cluster.all("aws_ec2_instance_state.running")
    machines = cluster.all("aws_instance.machine")
    assert {name: (state["instance_id"], state["state"]) for name, state in wanted.items()} == {
        name: (machine["id"], "running") for name, machine in machines.items()
    }


# Pools


def test_a_pool_may_be_of_arm_machines_at_the_spot_price(aws):
    cluster = aws("spot")
    group, template = (
        cluster.all("aws_autoscaling_group.pool")["cheap"],
        cluster.all("aws_launch_template.pool")["cheap"],
    )
    assert (group["min_size"], group["desired_capacity"], group["max_size"]) == (1, 2, 5)
    assert group["capacity_rebalance"] is True
    distribution = group["mixed_instances_policy"][0]["instances_distribution"][0]
    assert distribution["on_demand_percentage_above_base_capacity"] == 0
    assert (template["instance_type"], template["image_id"]) == ("t4g.medium", clouds.FACTS["aws"]["images"]["arm64"])


def test_an_ordinary_pool_is_on_demand(aws):
    for group in aws("ha").all("aws_autoscaling_group.pool").values():
        distribution = group["mixed_instances_policy"][0]["instances_distribution"][0]
        assert distribution["on_demand_percentage_above_base_capacity"] == 100
        assert group["capacity_rebalance"] is False
        assert group["instance_refresh"] == []
        assert group["suspended_processes"] == ["AZRebalance"]


def test_a_worker_has_time_to_leave(aws):
    for group in aws("ha").all("aws_autoscaling_group.pool").values():
        (hook,) = group["initial_lifecycle_hook"]
        assert hook["lifecycle_transition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        assert (hook["heartbeat_timeout"], hook["default_result"]) == (300, "CONTINUE")


def test_the_number_of_resources_does_not_grow_with_workers(aws, aws_environment, tmp_path):
    folder = clouds.write(tmp_path / "many", "aws", "star-wars", spec={"workers": {"count": 900, "size": "medium"}})
    cluster = Cluster(folder, aws_environment)
    cluster.terraform("init")
    wanted = [r["address"] for r in aws("star-wars").values["root_module"]["resources"] if r["mode"] == "managed"]
    assert sorted(cluster.changes()) == sorted(wanted)


def test_another_count_changes_the_limits_of_one_group_alone(aws_environment, tmp_path):
    clouds.write(tmp_path / "c", "aws", "ha")
    cluster = Applied(tmp_path / "c", aws_environment)
    pools = [{"name": "general", "count": 5, "size": "medium"}, {"name": "batch", "count": 2, "size": "large"}]
    clouds.write(tmp_path / "c", "aws", "ha", spec={"workers": pools})
    changes = {address: actions for address, actions in cluster.changes().items() if "pool" in address}
    assert changes == {'aws_autoscaling_group.pool["general"]': ["update"]}
    (group,) = [c["change"] for c in cluster.show("changes.tfplan")["resource_changes"] if c["address"] in changes]
    sizes = ("min_size", "max_size", "desired_capacity")
    assert [group["after"][size] for size in sizes] == [5, 5, 3]  # AWS raises the last to the minimum


def test_a_new_base_image_is_for_new_machines_only(aws_environment, tmp_path):
    clouds.write(tmp_path / "c", "aws", "star-wars")
    cluster = Applied(tmp_path / "c", aws_environment)
    image = "ami-00000000000000000"
    clouds.write(tmp_path / "c", "aws", "star-wars", facts={"images": {"amd64": image}})
    assert set(cluster.changes()) <= {
        'aws_launch_template.pool["general"]',
        'aws_autoscaling_group.pool["general"]',
    }
    assert cluster.changes()['aws_launch_template.pool["general"]'] == ["update"]


def test_the_volumes_of_etcd_are_protected_until_that_is_lifted(aws_environment, tmp_path):
    clouds.write(tmp_path / "c", "aws", "star-wars")
    cluster = Applied(tmp_path / "c", aws_environment)
    assert "Instance cannot be destroyed" in cluster.terraform("plan", "-destroy", fails=True)
    override = MODULES / "aws" / "unprotect_override.tf"
    (cluster.folder / override.name).write_bytes(override.read_bytes())
    cluster.terraform("destroy", "-auto-approve")


# Network


@pytest.mark.parametrize("name", OWN_NETWORK)
def test_subnets_are_apart_and_hold_their_machines(aws, name):
    cluster = aws(name)
    networks = [IPv4Network(subnet["cidr_block"]) for subnet in cluster.of_type("aws_subnet")]
    assert all(network.subnet_of(NETWORK) for network in networks)
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))
    for machine, subnet in cluster.all("aws_subnet.machine").items():
        address = IPv4Address(cluster.all("aws_instance.machine")[machine]["private_ip"])
        # AWS keeps the first four addresses of a subnet and the last.
        assert address in list(IPv4Network(subnet["cidr_block"]))[4:-1]
    assert cluster.all("aws_subnet.worker").keys() == set(ZONES)
    assert not any(subnet["map_public_ip_on_launch"] for subnet in cluster.of_type("aws_subnet"))


@pytest.mark.parametrize(("name", "gateways"), [("closed", []), ("star-wars", ZONES[:1]), ("zonal", ZONES)])
def test_nat_gateways(aws, name, gateways):
    cluster = aws(name)
    nat = cluster.all("aws_nat_gateway.nat")
    assert sorted(nat) == gateways
    assert sorted(cluster.all("aws_subnet.public")) == gateways
    ways_out = {zone: route["nat_gateway_id"] for zone, route in cluster.all("aws_route.nat").items()}
    expected = {zone: nat[zone if zone in nat else ZONES[0]]["id"] for zone in ZONES} if gateways else {}
    assert ways_out == expected


@pytest.mark.parametrize("name", OWN_NETWORK)
def test_private_subnets_never_face_the_internet(aws, name):
    cluster = aws(name)
    associations = cluster.of_type("aws_route_table_association")
    private = {table["id"] for table in cluster.all("aws_route_table.private").values()}
    public = {subnet["id"] for subnet in cluster.all("aws_subnet.public").values()}
    assert {a["subnet_id"] for a in associations if a["route_table_id"] not in private} == public
    assert {a["subnet_id"] for a in associations} == {subnet["id"] for subnet in cluster.of_type("aws_subnet")}
    gateways = {gateway["id"] for gateway in cluster.of_type("aws_internet_gateway")}
    facing = {route["route_table_id"] for route in cluster.of_type("aws_route") if route["gateway_id"] in gateways}
    assert not private & facing
    assert len(facing) == len(gateways)


def test_without_nat_the_secrets_are_reached_inside_the_network(aws):
    cluster = aws("closed")
    endpoint = cluster.one("aws_vpc_endpoint.secrets")
    assert endpoint["service_name"] == "com.amazonaws.eu-west-1.secretsmanager"
    assert endpoint["private_dns_enabled"] is True
    assert endpoint["security_group_ids"] == [cluster.all("aws_security_group.group")["secrets"]["id"]]
    assert not any(rule["cidr_ipv4"] for rule in rules(cluster, "egress"))
    assert reaches(cluster, "worker", "secrets", "tcp", 443)


def test_an_existing_network_is_used_as_it_is(aws):
    cluster = aws("existing")
    made = Counter(r["type"] for r in cluster.values["root_module"]["resources"])
    networking = ("aws_vpc", "aws_subnet", "aws_route", "aws_route_table", "aws_nat_gateway", "aws_internet_gateway",
                  "aws_vpc_endpoint", "aws_flow_log", "aws_default_security_group", "aws_eip")  # fmt: skip
    assert not any(made[kind] for kind in networking)
    placed = {name: (m["subnet_id"], m["private_ip"]) for name, m in cluster.all("aws_instance.machine").items()}
    assert placed == {
        "master1": (FIRST, "10.20.64.21"),
        "master2": (SECOND, "10.20.80.22"),
        "master3": (FIRST, "10.20.64.23"),
    }
    assert {group["vpc_id"] for group in cluster.of_type("aws_security_group")} == {VPC["id"]}
    for group in cluster.all("aws_autoscaling_group.pool").values():
        assert sorted(group["vpc_zone_identifier"]) == VPC["subnets"]
    assert cluster.one("aws_lb.api")["subnets"] == VPC["public_subnets"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_nothing_is_open_to_the_world_unless_the_definition_says_so(aws, name):
    cluster = aws(name)
    world = [rule for rule in rules(cluster, "ingress") if rule["cidr_ipv4"] == "0.0.0.0/0" or rule["cidr_ipv6"]]
    assert [(rule["from_port"], rule["to_port"]) for rule in world] == ([(6443, 6443)] if name == "open" else [])
    named = {rule["cidr_ipv4"] for rule in rules(cluster, "ingress")} - {None}
    assert named == {"0.0.0.0/0" if name == "open" else "203.0.113.0/24"}
    assert {rule["to_port"] for rule in rules(cluster, "egress") if rule["cidr_ipv4"]} <= {443}
    assert not any(group["ingress"] or group["egress"] for group in cluster.all("aws_security_group.group").values())


def groups(cluster: Applied, role: str) -> set[str]:
    """The security groups of a machine of `role`, or else the one group of that name."""
    machines = cluster.all("aws_instance.machine").items()
    if role == "worker":
        return set(
            next(iter(cluster.all("aws_launch_template.pool").values()))["network_interfaces"][0]["security_groups"]
        )
    if own := [set(machine["vpc_security_group_ids"]) for name, machine in machines if name.startswith(role)]:
        return own[0]
    return {cluster.all("aws_security_group.group")[role]["id"]}


def reaches(cluster: Applied, source: str, target: str, protocol: str, port: int | None) -> bool:
    """Whether one machine may begin a connection to another: it must be let out, and the other let it in."""
    ours, theirs = groups(cluster, source), groups(cluster, target)

    def lets(rule: dict[str, Any], mine: set[str], other: set[str]) -> bool:
        named = rule["security_group_id"] in mine and rule["referenced_security_group_id"] in other
        alike = named and rule["ip_protocol"] == protocol
        return alike and (port is None or rule["from_port"] <= port <= rule["to_port"])

    out = any(lets(rule, ours, theirs) for rule in rules(cluster, "egress"))
    return out and any(lets(rule, theirs, ours) for rule in rules(cluster, "ingress"))


WEAVE = [("tcp", 6783), ("udp", 6783), ("udp", 6784), ("50", None)]


@pytest.mark.parametrize(("protocol", "port"), WEAVE)
def test_weave_is_all_that_machines_say_to_each_other(aws, protocol, port):
    pairs = [(one, other) for one in ("etcd", "master", "worker") for other in ("etcd", "master", "worker")]
    assert all(reaches(aws("star-wars"), *pair, protocol, port) for pair in pairs)
    assert not any(reaches(aws("star-wars"), *pair, "tcp", port) for pair in pairs for port in (22, 2379, 6443, 10250))
    assert not any(reaches(aws("flannel"), *pair, protocol, port) for pair in pairs)


@pytest.mark.parametrize(
    ("port", "pairs"),
    [
        (2379, {("master", "etcd"), ("etcd", "etcd")}),
        (2380, {("etcd", "etcd")}),
        (6443, {("master", "master"), ("worker", "master")}),
        (10250, {("master", "master"), ("master", "worker")}),
        (22, set()),
    ],
)
def test_under_flannel_each_port_is_for_those_who_need_it(aws, port, pairs):
    roles = ("etcd", "master", "worker")
    seen = {(a, b) for a in roles for b in roles if reaches(aws("flannel"), a, b, "tcp", port)}
    assert seen == pairs


def test_masters_with_etcd_on_them_are_etcd_machines_too(aws):
    groups_of_ha = aws("ha").all("aws_security_group.group")
    assert groups(aws("ha"), "master") == {groups_of_ha[name]["id"] for name in ("machine", "master", "etcd")}


def test_ssh_comes_in_by_the_tunnel_where_there_are_keys(aws):
    cluster = aws("spot")
    assert reaches(cluster, "ssh", "worker", "tcp", 22)
    assert reaches(cluster, "ssh", "etcd", "tcp", 22)
    endpoint = cluster.one("aws_ec2_instance_connect_endpoint.ssh")
    assert endpoint["security_group_ids"] == [cluster.all("aws_security_group.group")["ssh"]["id"]]
    machine = cluster.all("aws_instance.machine")["master1"]["id"]
    assert cluster.outputs()["machines"]["master1"]["ssh"].endswith(f"admin@{machine}")
    assert aws("ha").all("aws_ec2_instance_connect_endpoint.ssh") == {}
    assert aws("ha").outputs()["machines"]["master1"]["ssh"] is None
    assert not any(rule["from_port"] == 22 for rule in rules(aws("ha"), "ingress"))


def test_the_load_balancer_leads_to_every_master(aws):
    cluster = aws("ha")
    balancer = cluster.one("aws_lb.api")
    assert (balancer["load_balancer_type"], balancer["internal"]) == ("network", False)
    assert sorted(balancer["subnets"]) == sorted(s["id"] for s in cluster.all("aws_subnet.public").values())
    targets = {attachment["target_id"] for attachment in cluster.all("aws_lb_target_group_attachment.api").values()}
    assert targets == {machine["id"] for machine in cluster.all("aws_instance.machine").values()}
    assert reaches(cluster, "api", "master", "tcp", 6443)
    assert cluster.outputs()["api"] == f"https://{balancer['dns_name']}:6443"


def test_without_a_load_balancer_the_api_is_the_first_master(aws):
    assert aws("star-wars").outputs()["api"] == "https://10.20.1.10:6443"
    assert aws("star-wars").all("aws_lb.api") == {}
    assert aws("zonal").all("aws_lb.api") == {}
