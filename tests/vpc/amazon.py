"""AWS as its machines see it: EC2 starts what Terraform planned, out of the values that Terraform planned it with."""

import base64
import hashlib
import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.credentials import Credentials

from tests.clouds import Applied
from tests.fetch import amazon
from tests.vpc.machine import Kind, Machine
from tests.vpc.region import Region
from tests.vpc.segment import Segment

RESOLVER, MTU = "169.254.169.253", 9001
AGENTS = ("cloud-init", "cloud-guest-utils", "dhcpcd-base")  # as in Debian's AMI
KEYS = Credentials("ASIAEXAMPLE", "secret/key+with/all0of=them", "session//token+of/the==role")
# QEMU cannot give its disks the model of EBS.
EBS = (
    'KERNEL=="nvme*[0-9]n*[0-9]", ENV{DEVTYPE}=="disk", ATTRS{serial}=="vol?*", '
    'SYMLINK+="disk/by-id/nvme-Amazon_Elastic_Block_Store_$attr{serial}"\n'
)


class Amazon(Region):
    """A region in which `applied` was applied; its documents are put where `environment` has clients look for AWS."""

    def __init__(
        self, folder: Path, applied: Applied, secrets: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self._applied, self._instances = applied, dict[str, amazon.Instance]()
        bucket = applied.all("aws_s3_bucket.bucket")["documents"]["bucket"]
        _publish(applied, bucket, secrets, environment["AWS_ENDPOINT_URL"])
        subnets = [IPv4Network(subnet["cidr_block"]) for subnet in applied.of_type("aws_subnet")]
        segment = Segment(folder, subnets, MTU, RESOLVER, ["amazonaws.com"])
        hosts = (f"{bucket}.s3.{amazon.REGION}.amazonaws.com", f"secretsmanager.{amazon.REGION}.amazonaws.com")
        services = amazon.Services(KEYS, urlsplit(environment["AWS_ENDPOINT_URL"]).netloc)
        super().__init__(folder, segment, hosts, services)

    def start(self, name: str) -> Machine:
        """A fixed machine, with etcd's volume where it has one."""
        values = self._applied.all("aws_instance.machine")[name]
        volumes = {name} & set(self._applied.all("aws_ebs_volume.etcd"))
        address = IPv4Address(values["private_ip"])
        return self._start(name, _number(address), address, values["tags_all"], values["user_data"], len(volumes))

    def grow(self, pool: str) -> Machine:
        """A worker, as the pool's Auto Scaling group starts it; nobody told the cluster of it."""
        template = self._applied.all("aws_launch_template.pool")[pool]
        group = self._applied.all("aws_autoscaling_group.pool")[pool]
        tags = {tag["key"]: tag["value"] for tag in group["tag"]}
        (subnet,) = (IPv4Network(s["cidr_block"]) for s in self._applied.all("aws_subnet.worker").values())
        address = subnet[10 + len(self.machines)]
        number, user_data = _number(address), base64.b64decode(template["user_data"]).decode()
        return self._start(f"{tags['anywhere-group']}-{number}", number, address, tags, user_data, 0)

    def leave(self, machine: Machine) -> None:
        """What an instance sees when its group takes it away."""
        self._instances[machine.name].paths["autoscaling/target-lifecycle-state"] = "Terminated"

    def _start(
        self, name: str, number: str, address: IPv4Address, tags: Mapping[str, str], user_data: str, volumes: int
    ) -> Machine:
        instance = amazon.Instance(_paths(f"i-{number}", address, tags), user_data)
        self._instances[name] = instance
        devices = [f"nvme,serial=vol{disk}{number[1:]}" for disk in range(1 + volumes)]
        uuid = f"ec2{number[:5]}-{number[5:9]}-4{number[9:12]}-8{number[12:15]}-{number[:12]}"
        kind = Kind(AGENTS, {"manufacturer": "Amazon EC2", "uuid": uuid, "serial": uuid}, self.trust, EBS)
        return self.boot(name, address, instance, kind, devices)


def _publish(applied: Applied, bucket: str, secrets: Mapping[str, str], endpoint: str) -> None:
    """What `terraform apply` puts into S3 and Secrets Manager."""
    given = {"region_name": amazon.REGION, "endpoint_url": endpoint}
    given |= {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    s3, manager = boto3.client("s3", **given), boto3.client("secretsmanager", **given)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": amazon.REGION})
    for kind in ("document", "archive"):
        for found in applied.all(f"aws_s3_object.{kind}").values():
            s3.upload_file(str(applied.folder / found["source"]), bucket, found["key"])
    for component, found in applied.all("aws_secretsmanager_secret.document").items():
        manager.create_secret(Name=found["name"], SecretString=secrets[component])


def _number(address: IPv4Address) -> str:
    """The hexadecimal part of an instance's id."""
    return hashlib.sha256(address.packed).hexdigest()[:17]


def _paths(identity: str, address: IPv4Address, tags: Mapping[str, str]) -> dict[str, str]:
    """An instance's metadata: what cloud-init asks for, and anywhere-fetch."""
    host = f"ip-{str(address).replace('.', '-')}.{amazon.REGION}.compute.internal"
    mac = Segment.mac(address)
    card = f"network/interfaces/macs/{mac}/"
    paths = {
        "ami-id": "ami-000000000deb13000",
        "dynamic/instance-identity/document": json.dumps({"region": amazon.REGION, "instanceId": identity}),
        "hostname": host,
        "instance-id": identity,
        "instance-type": "t3.medium",
        "local-hostname": host,
        "local-ipv4": str(address),
        "mac": mac,
        f"{card}device-number": "0",
        f"{card}interface-id": f"eni-{identity[2:]}",
        f"{card}local-ipv4s": str(address),
        f"{card}mac": mac,
        "placement/availability-zone": f"{amazon.REGION}a",
        "placement/region": amazon.REGION,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    paths |= {f"tags/instance/{name}": value for name, value in tags.items()}
    return paths | amazon.role(KEYS, f"{tags['anywhere-cluster']}-{tags['anywhere-role']}")
