"""What a cluster of the tests consists of, and its definition."""

from dataclasses import dataclass

from generator.definition import VERSION

DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: {name}}}
spec:
  kubernetes: {{version: {version}}}
  etcd: {{count: {etcd}, size: small}}
  masters: {{count: {masters}, size: medium, schedulable: true}}
  workers: {{count: {workers}, size: small}}
  network: {{driver: {driver}}}
  access: {{ssh_keys: ["{key}"]}}
providers:
  local: {{machines: {kind}, egress: false}}
"""


@dataclass(frozen=True)
class Shape:
    """`kind` is vm or container; `etcd` 0 puts it on the masters."""

    driver: str
    kind: str
    etcd: int = 0
    masters: int = 1
    workers: int = 1
    version: str = VERSION

    @property
    def name(self) -> str:
        return f"e2e-{self.driver}-{self.etcd}{self.masters}{self.workers}"

    @property
    def nodes(self) -> set[str]:
        """The machines that are nodes of Kubernetes."""
        masters = {f"master{number}" for number in range(1, self.masters + 1)}
        return masters | {f"worker-general-{number}" for number in range(1, self.workers + 1)}

    @property
    def machines(self) -> set[str]:
        return self.nodes | {f"etcd{number}" for number in range(1, self.etcd + 1)}

    @property
    def first_etcd(self) -> str:
        """The machine that the first member runs on."""
        return "etcd1" if self.etcd else "master1"

    @property
    def last_worker(self) -> str:
        return f"worker-general-{self.workers}"

    def definition(self, key: str) -> str:
        values = {"version": self.version, "etcd": self.etcd, "masters": self.masters, "workers": self.workers}
        return DEFINITION.format(name=self.name, driver=self.driver, kind=self.kind, key=key, **values)

    def __str__(self) -> str:
        etcd = f"{self.etcd} etcd + " if self.etcd else ""
        return f"{etcd}{self.masters}+{self.workers} {self.kind}s on {self.driver}"
