"""A control plane alone that add-ons are applied to as a master does, and their programs beside it."""

import json

import pytest
from agent import addons, bundle, kubectl, own_addons
from ruamel.yaml import YAML

from benchmarks.rollout import place, programs, releases
from generator import addon_catalog, pki
from generator.errors import UserError
from tests import real_control_plane

SYSTEM = "/api/v1/namespaces/kube-system"
EVERY = tuple(addon_catalog.choices())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A control plane alone; `secrets` are those that it was made with."""
    with real_control_plane.running(tmp_path_factory.mktemp("cluster"), EVERY) as found:
        found.api = found.place.administrator()
        yield found


@pytest.fixture
def apply(cluster, tmp_path, monkeypatch):
    """Applies a release with some add-ons, as a master does that had another one before."""
    documents = pki.documents(cluster.secrets)
    for module in (addons, own_addons):
        monkeypatch.setattr(module, "STATE", tmp_path)
    monkeypatch.setattr(kubectl, "KEYS", cluster.place.folder / "addons")
    monkeypatch.setattr(bundle, "secrets", lambda release, component: documents[component])

    def run(*names, own=()):
        release = {"addons": rendered(*names), "own_addons": own}
        for group in ("bootstrap", "cluster"):
            addons.apply(release, group)
        own_addons.apply(release)

    return run


def rendered(*names):
    return json.loads(releases.first(releases.definition(1, names)))["addons"]


def with_needs(addon):
    return (addon, *addon_catalog.known()[addon].needs)


def taken(cluster, name):
    """The program of an image; a test that has none is skipped."""
    try:
        return programs.take(name, cluster.place.folder / "bin")
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")


def identity(cluster, folder, account):
    """A kubeconfig of a pod's service account."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = cluster.api.call("POST", f"{SYSTEM}/serviceaccounts/{account}/token", request)["status"]["token"]
    server = {"server": f"https://{place.HOST}:{cluster.place.api}", "certificate-authority": str(cluster.place.ca)}
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": server}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(json.dumps(content))
    return folder / "kubeconfig"


def containers(addon):
    """Those of the Deployment of an add-on, by name."""
    every = YAML(typ="safe", pure=True).load_all(rendered(*with_needs(addon))["cluster"][f"{addon}.yaml"])
    (deployment,) = (each for each in every if each["kind"] == "Deployment")
    return {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}
