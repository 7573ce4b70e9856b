"""A target whose machines are words, and the command line towards it."""

from generator import cli, lock
from generator.kubernetes import DESCRIPTIONS
from generator.lock import Base
from generator.site import Entry, Site
from providers import Addresses, Check, Observed
from providers.local.home import cluster_folder
from providers.local.stored import Stored

DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {name: quickstart}
spec:
  etcd: {count: 0}
  masters: {count: 1, size: medium, schedulable: true}
  workers: {count: 1, size: small}
"""
MAIN = """\
resource "terraform_data" "machine" {
  input = "VALUE"
}

output "cluster" {
  value = "quickstart"
}

output "api" {
  value = "URL"
}

variable "secrets" {
  type      = map(string)
  ephemeral = true
  sensitive = true
  default   = {}
}
"""
NODES = [
    {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.37.2"},
        },
    }
    for name in ("master1", "worker-general-1")
]
COREDNS = {
    "metadata": {"name": "coredns", "generation": 1},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"k8s-app": "kube-dns"}}},
    "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/kube-system/deployments?resourceVersion=0"
PODS = "/api/v1/namespaces/kube-system/pods?resourceVersion=0"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/kube-system/networkpolicies?resourceVersion=0"
# What the API of a cluster that works answers.
WORKS = {
    "/api/v1/nodes?resourceVersion=0": {"items": NODES},
    DEPLOYMENTS: {"items": [COREDNS]},
    PODS: {"items": []},
    POLICIES: {"items": []},
    **{path: {} for path in DESCRIPTIONS},
}
READY = "anywhere: stage=boot t=9.0\nanywhere: stage=ready t=160.0 release=0123456789ab dns=ok\n"


class Nowhere:
    """A target whose machines are words."""

    name = "local"
    identity = ("region",)
    poll, api_remedy = 0.01, ""
    installs_packages = False
    manages_workers = False
    etcd_disk = 8
    addresses = Addresses("terraform_data.machine", "terraform_data.disk", "terraform_data.document")
    console = READY
    left = ()
    there = ()

    def preflight(self, definition, topology):
        return (Check("disk", True, "40 GiB free"),)

    def unfit_drivers(self, definition):
        return {}

    def prepare(self, definition, topology, lock, archives, progress):
        pass

    def environment(self):
        return {}

    def observe(self, definition):
        ssh = ("echo", "reached")
        return tuple(Observed(n["metadata"]["name"], True, "127.0.0.1", self.console, ssh) for n in NODES)

    def facts(self, definition):
        return {"zones": ["a"]}

    def foreseen_facts(self, definition):
        return self.facts(definition)

    def base(self, progress):
        return Base("debian-archive", "c" * 64)

    def base_images(self, lock):
        return {}

    def settings(self, definition, lock):
        return {}

    def subnets(self, lock):
        return ()

    def site(self, definition, lock):
        return Site("nowhere", Entry("A word", "to every master", balanced=True))

    def backend(self, definition):
        return None

    def present(self, definition):
        return self.there

    def has_state(self, definition):
        return False

    def stored(self, definition, lock):
        return Stored(cluster_folder(definition.name))

    def delete_created_by_cluster(self, definition, progress):
        pass

    def leftovers(self, definition):
        return self.left


def pinned(wanted):
    return {w.name: lock.Image(w.name, w.ref, "sha256:" + "a" * 64, "b" * 64, 2**20, w.source) for w in wanted}


def run(*words):
    return cli.run([str(word) for word in words])
