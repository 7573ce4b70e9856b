"""Google Cloud as its machines see it: Compute Engine starts what Terraform planned, out of the values of that plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests.clouds import Applied
from tests.fetch import google
from tests.vpc.machine import Kind, Machine
from tests.vpc.region import Region
from tests.vpc.segment import METADATA, Segment

MTU = 1460
AGENTS = ("google-guest-agent",)  # and no cloud-init, as in Debian's image for GCE
FIRMWARE = {"manufacturer": "Google", "product": "Google Compute Engine"}


@dataclass(frozen=True)
class Objects(Mapping[str, bytes]):
    """A bucket, read from the files that Terraform was to put into it."""

    files: Mapping[str, Path]

    def __getitem__(self, key: str) -> bytes:
        return self.files[key].read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


class Google(Region):
    """A region of a project in which `applied` was applied."""

    def __init__(
        self, folder: Path, applied: Applied, secrets: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self._applied, self._instances = applied, dict[str, google.Instance]()
        self._subnets = {
            purpose: IPv4Network(subnetwork["ip_cidr_range"])
            for purpose, subnetwork in applied.all("google_compute_subnetwork.cluster").items()
        }
        segment = Segment(folder, list(self._subnets.values()), MTU, METADATA, ["googleapis.com"])
        super().__init__(folder, segment, google.HOSTS, _services(applied, secrets))

    def close(self) -> None:
        for instance in self._instances.values():
            instance.changed.set()
        super().close()

    def start(self, name: str) -> Machine:
        """A fixed machine, with etcd's disk where it has one."""
        values = self._applied.all("google_compute_instance.machine")[name]
        address = IPv4Address(values["network_interface"][0]["network_ip"])
        attached = [disk["device_name"] for disk in values["attached_disk"]]
        return self._start(name, values["name"], address, values["metadata"], attached)

    def grow(self, pool: str) -> Machine:
        """A worker, as the pool's managed instance group starts it; nobody told the cluster of it."""
        template = self._applied.all("google_compute_region_instance_template.pool")[pool]
        group = self._applied.all("google_compute_region_instance_group_manager.pool")[pool]
        called = f"{group['base_instance_name']}-x7k{len(self.machines)}"
        name = called.removeprefix(f"{self._applied.outputs()['cluster']}-")
        address = self._subnets["workers"][10 + len(self.machines)]
        return self._start(name, called, address, template["metadata"], [])

    def leave(self, machine: Machine) -> None:
        """A managed instance group that has one too many turns it off."""
        machine.press_power_button()

    def _start(
        self, name: str, called: str, address: IPv4Address, attributes: Mapping[str, str], attached: list[str]
    ) -> Machine:
        instance = google.Instance(_paths(self._applied, called, address, attributes))
        self._instances[name] = instance
        devices = [f"scsi-hd,vendor=Google,product=PersistentDisk,device_id={disk}" for disk in ("boot", *attached)]
        return self.boot(name, address, instance, Kind(AGENTS, FIRMWARE, self.trust), devices)


def _services(applied: Applied, secrets: Mapping[str, str]) -> google.Services:
    """Cloud Storage and Secret Manager with what `terraform apply` puts there."""
    files = {
        found["name"]: applied.folder / found["source"]
        for kind in ("document", "archive")
        for found in applied.all(f"google_storage_bucket_object.{kind}").values()
    }
    named = applied.all("google_secret_manager_secret.document").items()
    texts = {found["secret_id"]: secrets[component].encode() for component, found in named}
    bucket = applied.one("google_storage_bucket.documents")["name"]
    return google.Services(Objects(files), texts, project=_project(applied), bucket=bucket)


def _project(applied: Applied) -> str:
    return str(applied.one("google_storage_bucket.documents")["project"])


def _paths(applied: Applied, name: str, address: IPv4Address, attributes: Mapping[str, str]) -> dict[str, str]:
    """An instance's metadata: what Google's agent asks for, and anywhere-fetch."""
    project = _project(applied)
    paths = {
        "instance/hostname": f"{name}.europe-west1-b.c.{project}.internal",
        "instance/name": name,
        "instance/network-interfaces/0/ip": str(address),
        "instance/network-interfaces/0/mac": Segment.mac(address),
        "instance/preempted": "FALSE",
        "project/project-id": project,
    }
    paths |= {f"instance/attributes/{key}": value for key, value in attributes.items()}
    return paths | google.account()
