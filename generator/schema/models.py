"""The keys of `cluster.yaml`."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from generator import addon_catalog
from generator.decode import Strict, wrong
from generator.definition import ARCHITECTURES, MAX_PODS, VERSION
from generator.schema import fields, own_addons, targets
from generator.schema.authentication import Authentication
from generator.schema.components import Components
from generator.sections import Sections
from generator.source import shown
from generator.topology import POOL_LIMIT

ADDONS = "What is installed in the cluster: {}; and add-ons of your own.".format(
    "; ".join(f"`{name}` ({addon.about})" for name, addon in addon_catalog.choices().items())
)
_ARCH: Any = Field(default=ARCHITECTURES[0], description="The architecture of the machines; local ones are amd64.")

# A node has 254 addresses for pods where the driver gives it a range.
_MAX_PODS: Any = Field(default=MAX_PODS, ge=10, le=250, description="How many pods a node takes at most.")


class Proxy(Strict):
    """How machines, not pods, reach the outside."""

    http: fields.ProxyUrl | None = Field(
        default=None, description="For http://.", examples=["http://proxy.example.com:3128"]
    )
    https: fields.ProxyUrl | None = Field(
        default=None, description="For https://, which is nearly all.", examples=["http://proxy.example.com:3128"]
    )
    no_proxy: fields.Items[fields.Direct] = Field(
        default=(),
        description="What else machines reach without it; the cluster's own networks and names are always.",
        examples=[[".example.com", "192.168.0.0/16"]],
    )


class Registry(Strict):
    """A mirror that asks for more than its name."""

    mirror: fields.Registry = Field(
        description="A mirror that every image is pulled from; `registry: HOST` is short for it alone.",
        examples=["registry.example.com/k8s"],
    )
    ca: str | None = Field(
        default=None,
        description="Who vouches for it, if not an authority that Debian knows: PEM, or a file beside the definition.",
        examples=["registry-ca.pem"],
    )
    login: bool = Field(
        default=False,
        description="Whether it asks for ANYWHERE_REGISTRY_USERNAME and ANYWHERE_REGISTRY_PASSWORD.",
    )


def _mirror(registry: object) -> object:
    """A registry that asks for nothing is written as its name."""
    return {"mirror": registry} if isinstance(registry, str) else registry


def _default(cidr: str, description: str) -> Any:
    return Field(default=IPv4Network(cidr), description=description, json_schema_extra={"default": cidr})


def _size(name: str) -> Any:
    return Field(default=name, description="The machines' size; sizes are listed below.")


class Metadata(Strict):
    name: fields.ClusterName = Field(
        description="What the cluster and its machines are called.", examples=["star-wars"]
    )


class Kubernetes(Strict):
    version: fields.Version = Field(default=VERSION, description="The Kubernetes version, with its patch.")


def _members(count: object) -> object:
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= 7 and count % 2 == 0 and count:
        raise wrong(f"{count} members survive no more failures than {count - 1}", f"write {count - 1} or {count + 1}")
    return count


class Snapshots(Strict):
    """Copies of what etcd knows, encrypted, beside the documents of the cluster."""

    every: fields.Interval = Field(default="6h", description="How often one is taken; also before each change.")
    keep: int = Field(default=28, ge=1, le=400, description="How many are kept; older ones are removed.")


class Etcd(Strict):
    """Machines of their own for etcd."""

    count: Annotated[int, BeforeValidator(_members)] = Field(
        default=0,
        ge=0,
        le=7,
        description="0 puts etcd on the masters; else 1, 3, 5 or 7.",
        json_schema_extra={"enum": [0, 1, 3, 5, 7]},
    )
    size: fields.SizeName = _size("small")
    arch: fields.Arch = _ARCH
    snapshots: Snapshots = Snapshots()


class Masters(Strict):
    """The control plane."""

    count: int = Field(default=1, ge=1, le=9, description="How many; an odd number where etcd is on them.")
    size: fields.SizeName = _size("medium")
    schedulable: bool = Field(default=False, description="Whether masters also take ordinary pods.")
    arch: fields.Arch = _ARCH
    max_pods: int = _MAX_PODS


class Pool(Strict):
    """Workers alike."""

    name: fields.PoolName = Field(
        default="general", description="The pool's name; its machines are worker-NAME-1 and so on."
    )
    count: int = Field(
        ge=0,
        le=POOL_LIMIT,
        examples=[3],
        description="How many machines; with different min and max, how many at first.",
    )
    size: fields.SizeName = _size("medium")
    labels: dict[fields.LabelKey, fields.LabelValue] = Field(default={}, description="Labels of the pool's nodes.")
    taints: fields.Items[fields.Taint] = Field(
        default=(),
        description="Taints of the pool's nodes, as key=value:Effect.",
        examples=[["dedicated=gpu:NoSchedule"]],
    )
    arch: fields.Arch = _ARCH
    max_pods: int = _MAX_PODS
    spot: bool = Field(default=False, description="Use cheaper machines that the cloud may take back.")
    min: int | None = Field(
        default=None, ge=0, le=POOL_LIMIT, description="The fewest machines that autoscaling keeps."
    )
    max: int | None = Field(
        default=None, ge=0, le=POOL_LIMIT, description="The most machines that autoscaling creates."
    )


class NamedPool(Pool):
    """Workers alike, one pool of several."""

    name: fields.PoolName = Field(
        description="The pool's name; its machines are worker-NAME-1 and so on.", examples=["general"]
    )


def _pools(workers: object) -> object:
    """One pool is written without a list."""
    if isinstance(workers, dict):
        return [{"name": "general", **workers}]
    if not isinstance(workers, list):
        raise wrong(f"should be a pool or a list of pools, not {shown(workers)}", "such as {count: 3}")
    return workers


class Network(Strict):
    driver: fields.Driver | None = Field(
        default=None, description="Left out, the lock decides once: weave where its images can be had, else flannel."
    )
    machines: fields.Range = _default("10.20.0.0/16", "The addresses of machines; an existing network lies in it.")
    pods: fields.Range = _default("10.32.0.0/12", "The addresses of pods, a /24 for each machine.")
    services: fields.Range = _default("10.96.0.0/16", "The virtual addresses of Services.")
    encryption: bool = Field(
        default=True, description="Whether machines encrypt what they send; off only in a private network."
    )


class Rollout(Strict):
    """How a change reaches the workers that are there."""

    wave: fields.Percent = Field(
        default="20%", description="The part of all workers that may change at once, after one alone and then 5%."
    )
    drain: fields.Duration = Field(
        default="5m", description="How long a node's pods may take to move where its kubelet changes its minor version."
    )


class Os(Strict):
    """The Debian of machines that are there; `images lock` brings its updates into the lock."""

    updates: fields.Updates = Field(
        default="security",
        description="What is updated: none; security, the packages that Debian's security archive has; or all.",
    )
    kernel: fields.Kernel = Field(
        default="held", description="held keeps the kernel of a machine's image; moved updates it like other packages."
    )


class Access(Strict):
    ssh_keys: fields.Items[fields.SshKey] = Field(
        default=(), description="OpenSSH public keys that may log in to machines."
    )
    api_names: fields.Items[fields.ApiName] = Field(
        default=(),
        description="Further names and addresses of the API, for its certificate.",
        examples=[["api.example.com", "203.0.113.10"]],
    )
    authentication: Authentication = Field(
        default=(),
        description="Identity providers whose tokens the API takes, as `jwt` of AuthenticationConfiguration has them.",
    )
    age_recipients: fields.Items[fields.AgeRecipient] = Field(
        default=(),
        description="The age keys, each by its public half, that open the secrets beside the definition.",
        examples=[["age1..."]],
    )


class Spec(Strict):
    """What is the same on every target."""

    kubernetes: Kubernetes = Kubernetes()
    etcd: Etcd = Etcd()
    masters: Masters = Masters()
    workers: Annotated[
        fields.Items[NamedPool], BeforeValidator(_pools, json_schema_input_type=Pool | list[NamedPool])
    ] = ()
    network: Network = Network()
    rollout: Rollout = Rollout()
    os: Os = Os()
    registry: Annotated[
        Registry | None, BeforeValidator(_mirror, json_schema_input_type=fields.Registry | Registry | None)
    ] = Field(default=None, examples=["registry.example.com/k8s"])
    proxy: Proxy | None = None
    addons: fields.Items[own_addons.Entry] = Field(default=addon_catalog.defaults(), description=ADDONS)
    access: Access = Access()
    components: Components = Components()


class Providers(Strict):
    """What cannot be portable, by target."""

    local: targets.Local = targets.Local()
    aws: targets.Aws | None = None
    gce: targets.Gce | None = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_there(cls, data: Any) -> Any:
        """A section without a value is one without keys: who writes `local:` means local."""
        return {key: {} if value is None else value for key, value in data.items()} if isinstance(data, dict) else data

    def sections(self) -> Sections:
        """The same, as adapters see it."""
        aws = self.aws.section() if self.aws else None
        gce = self.gce.section() if self.gce else None
        return Sections(self.local.section(), aws, gce, tuple(sorted(self.model_fields_set)))


class Cluster(Strict):
    """One portable cluster definition."""

    apiVersion: Literal["anywhere/v1"] = Field(examples=["anywhere/v1"])  # noqa: N815 (the key in the file)
    kind: Literal["Cluster"] = Field(examples=["Cluster"])
    metadata: Metadata = Field(examples=[{"name": "star-wars"}])
    spec: Spec = Field(examples=[{"workers": {"count": 3}}])
    providers: Providers = Providers()
