"""The keys of `providers` in `cluster.yaml`: what cannot be portable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from generator import sections
from generator.decode import Strict, wrong
from generator.definition import ARCHITECTURES
from generator.schema import fields
from generator.source import shown


def _by_arch(usual: str, arm: str) -> BeforeValidator:
    """A machine type alone is that of the usual architecture; both arguments are examples of types."""
    check = fields.formed(fields.MACHINE_TYPE, usual)

    def types(value: object) -> object:
        if isinstance(value, str):
            return {ARCHITECTURES[0]: check(value)}
        if not isinstance(value, dict) or not value:
            raise wrong(f"should be a machine type, not {shown(value)}", f"such as {usual}, or {{arm64: {arm}}}")
        return value

    return BeforeValidator(types, json_schema_input_type=str | dict[fields.Arch, fields.AwsType])


def _in_region(zone: str, info: ValidationInfo) -> str:
    """A zone is called after its region, with a letter; `region` is no longer there where it is wrong itself."""
    own = zone[:-1].rstrip("-")
    region = info.data.get("region", own)
    if own != region:
        raise wrong(f"zone {zone} is not in region {region}", f"did you mean {region}{zone.removeprefix(own)}?")
    return zone


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise wrong(f"{name} is given twice", "remove one of the two")
        seen.add(name)
    return names


AdminCidrs = Annotated[fields.Items[fields.AdminRange], Field(min_length=1)]
AwsZones = Annotated[fields.Items[Annotated[fields.AwsZone, AfterValidator(_in_region)]], AfterValidator(_distinct)]
GceZones = Annotated[fields.Items[Annotated[fields.GceZone, AfterValidator(_in_region)]], AfterValidator(_distinct)]
AwsSizes = dict[fields.SizeName, Annotated[dict[fields.Arch, fields.AwsType], _by_arch("t3.medium", "t4g.medium")]]
GceSizes = dict[fields.SizeName, Annotated[dict[fields.Arch, fields.GceType], _by_arch("e2-medium", "t2a-standard-2")]]
LoadBalancer = Annotated[
    bool | None,
    Field(
        description="Whether the API has a public address, for admin_cidrs only. Defaults to true with several masters."
    ),
]


class Local(Strict):
    """Machines on this computer."""

    machines: Literal["vm", "container", "auto"] = Field(
        default="vm",
        description="vm: virtual, under QEMU; container: system containers, which need root; auto: containers where no "
        "guest kernel runs and they can be made.",
    )
    egress: bool = Field(default=True, description="Whether machines reach the outside.")
    host_loopback: bool = Field(
        default=False,
        description="Whether pods reach the loopback services of this computer, at 10.0.2.2; takes egress, and vm.",
    )
    accel: fields.Accel = Field(
        default="auto", description="How QEMU runs machines: kvm, tcg (emulation), or auto for whichever works."
    )

    def section(self) -> sections.Local:
        return sections.Local(**dict(self))


class S3(Strict):
    bucket: fields.BucketName = Field(description="The bucket's name.", examples=["my-clusters-state"])
    key: str | None = Field(default=None, min_length=1, description="CLUSTER/terraform.tfstate if left out.")
    region: fields.AwsRegion | None = Field(default=None, description="The cluster's if left out.")


class AwsBackend(Strict):
    """Where Terraform keeps its state."""

    s3: S3 = Field(description="A bucket of S3.", examples=[{"bucket": "my-clusters-state"}])


class Vpc(Strict):
    """A network that is there already: machines go to its private subnets."""

    id: fields.VpcId = Field(description="The VPC.", examples=["vpc-0123456789abcdef0"])
    subnets: Annotated[fields.Items[fields.SubnetId], Field(min_length=1), AfterValidator(_distinct)] = Field(
        description="Private subnets for machines, one or more; machines are spread over them.",
        examples=[["subnet-0123456789abcdef0"]],
    )
    public_subnets: Annotated[fields.Items[fields.SubnetId], AfterValidator(_distinct)] = Field(
        default=(), description="Public subnets for the API's load balancer."
    )


class Aws(Strict):
    """Machines on AWS, in one account and region."""

    region: fields.AwsRegion = Field(description="The region.", examples=["eu-west-1"])
    account: fields.AwsAccount | None = Field(
        default=None, description="The only account that is accepted, in quotes.", examples=["123456789012"]
    )
    admin_cidrs: AdminCidrs = Field(
        examples=[["203.0.113.0/24"]], description="Who may reach the API from outside, as networks."
    )
    zones: AwsZones = Field(default=(), description="Defaults to all that offer the machines' types.")
    sizes: AwsSizes = Field(
        default={}, description="Machine types to use instead of those below.", examples=[{"medium": "t3.medium"}]
    )
    nat: Literal["none", "one", "zone"] = Field(default="one", description="NAT gateways: none, one, or one per zone.")
    load_balancer: LoadBalancer = None
    vpc: Vpc | None = Field(default=None, description="An existing network; left out, the cluster has its own.")
    images: dict[fields.Arch, fields.AmiId] = Field(
        default={}, description="Machine images to use instead of Debian's."
    )
    tags: dict[fields.TagKey, fields.TagValue] = Field(
        default={}, description="Tags of everything that Terraform creates.", examples=[{"team": "platform"}]
    )
    backend: AwsBackend | None = Field(default=None, description="Left out, state stays in the rendered folder.")

    def section(self) -> sections.Aws:
        vpc = sections.Vpc(**dict(self.vpc)) if self.vpc else None
        backend = sections.S3(**dict(self.backend.s3)) if self.backend else None
        return sections.Aws(**{**dict(self), "vpc": vpc, "backend": backend})


class Gcs(Strict):
    bucket: fields.BucketName = Field(description="The bucket's name.", examples=["my-clusters-state"])
    prefix: str | None = Field(default=None, min_length=1, description="The cluster's name if left out.")


class GceBackend(Strict):
    """Where Terraform keeps its state."""

    gcs: Gcs = Field(description="A bucket of Cloud Storage.", examples=[{"bucket": "my-clusters-state"}])


class GceNetwork(Strict):
    """A network that is there already."""

    name: fields.GceName = Field(description="The network.", examples=["my-network"])
    subnetwork: fields.GceName = Field(
        description="Its subnetwork for machines, in the region.", examples=["my-subnetwork"]
    )
    project: fields.GceProject | None = Field(
        default=None, description="The host project that shares it; the cluster's own if left out."
    )


class Gce(Strict):
    """Machines on Google Compute Engine, in one project and region."""

    project: fields.GceProject = Field(description="The project.", examples=["my-project"])
    project_number: fields.ProjectNumber | None = Field(default=None, description="Looked up if left out.")
    region: fields.GceRegion = Field(description="The region.", examples=["europe-west1"])
    admin_cidrs: AdminCidrs = Field(
        examples=[["203.0.113.0/24"]], description="Who may reach the API from outside, as networks."
    )
    zones: GceZones = Field(default=(), description="Defaults to all that offer the machines' types.")
    sizes: GceSizes = Field(
        default={}, description="Machine types to use instead of those below.", examples=[{"medium": "e2-medium"}]
    )
    nat: Literal["none", "one"] = Field(default="one", description="Cloud NAT: none, or one for the region.")
    load_balancer: LoadBalancer = None
    network: GceNetwork | None = Field(
        default=None, description="An existing network; left out, the cluster has its own."
    )
    images: dict[fields.Arch, fields.GceImage] = Field(
        default={}, description="Machine images to use instead of Debian's."
    )
    labels: dict[fields.GceLabel, fields.GceLabelValue] = Field(
        default={}, description="Labels of everything that Terraform creates.", examples=[{"team": "platform"}]
    )
    kms_key: fields.KmsKey | None = Field(default=None, description="A key of your own for disks, instead of Google's.")
    backend: GceBackend | None = Field(default=None, description="Left out, state stays in the rendered folder.")

    def section(self) -> sections.Gce:
        network = self.network and sections.GceNetwork(
            self.network.name, self.network.subnetwork, self.network.project or self.project
        )
        backend = sections.Gcs(**dict(self.backend.gcs)) if self.backend else None
        return sections.Gce(**{**dict(self), "network": network, "backend": backend})
