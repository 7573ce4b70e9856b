"""Add-ons towards a real API server: what it takes, what is deleted again, and that metrics-server is believed."""

import base64
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from addons_cluster import EVERY, SYSTEM, containers, identity, rendered, taken, with_needs
from agent import addon_record, addons
from agent.api import MERGE, ApiError

from benchmarks.rollout import place
from generator.pki import certificate
from generator.pki.certificate import SERVER, Leaf

pytest_plugins = ["addons_cluster"]

ACCOUNT = f"{SYSTEM}/serviceaccounts/coredns"
METRICS = "/apis/metrics.k8s.io/v1beta1"


def paths(*names):
    return {path for files in rendered(*names).values() for text in files.values() for path, _ in addons._objects(text)}


def recorded(cluster):
    return {entry.partition(" ")[2] for entry in cluster.api.call("GET", addon_record.PATH)["data"].values()}


def is_there(cluster, path):
    try:
        return bool(cluster.api.call("GET", path))
    except ApiError as error:
        assert error.status == 404
        return False


def test_every_add_on_is_taken_recorded_and_deleted_again(cluster, apply):
    apply(*EVERY)
    assert [path for path in sorted(paths(*EVERY)) if not is_there(cluster, path)] == []
    assert recorded(cluster) == paths(*EVERY)
    apply()
    kept = [f"{SYSTEM}/persistentvolumeclaims/{name}" for name in ("monitoring", "registry")]  # with users' data
    assert [path for path in sorted(paths(*EVERY) - paths()) if is_there(cluster, path)] == kept
    assert [path for path in sorted(paths()) if not is_there(cluster, path)] == []
    assert recorded(cluster) == paths()
    apply(*EVERY)
    assert [path for path in sorted(paths(*EVERY)) if not is_there(cluster, path)] == []


def test_what_a_user_made_anew_or_beside_stays(cluster, apply):
    apply("dns")
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns"}}
    cluster.api.call("DELETE", ACCOUNT)
    cluster.api.call("POST", f"{SYSTEM}/serviceaccounts", account)
    cluster.api.call("POST", f"{SYSTEM}/serviceaccounts", {**account, "metadata": {"name": "mine"}})
    apply()
    assert is_there(cluster, ACCOUNT) and is_there(cluster, f"{SYSTEM}/serviceaccounts/mine")
    assert not is_there(cluster, f"{SYSTEM}/services/kube-dns")


class Kubelet(BaseHTTPRequestHandler):
    """What a kubelet tells of a node that uses a quarter of a CPU and 100 MiB; `callers` had these credentials."""

    callers = set()

    def do_GET(self):
        self.callers.add(self.headers["Authorization"].partition(" ")[0])
        now = time.time()
        text = f"node_cpu_usage_seconds_total {now / 4} {now * 1000:.0f}\n"
        text += f"node_memory_working_set_bytes {100 << 20} {now * 1000:.0f}\n"
        self.send_response(200 if self.path == "/metrics/resource" else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def kubelet(cluster, tmp_path):
    """The port of a kubelet of the node `real`, whose certificate is as the controller manager signs it."""
    leaf = Leaf("kubelet-serving", "system:node:real", (SERVER,), names=(place.HOST,), life=timedelta(days=1))
    pair = certificate.issue(leaf, cluster.secrets.authorities["kubelet-serving"], datetime.now(UTC))
    (tmp_path / "kubelet.pem").write_text(pair.crt + pair.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "kubelet.pem")
    server = ThreadingHTTPServer((place.HOST, 0), Kubelet)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    cluster.api.call("POST", "/api/v1/nodes", {"metadata": {"name": "real"}})
    addresses = [{"type": "InternalIP", "address": place.HOST}]
    status = {"addresses": addresses, "allocatable": {"cpu": "1", "memory": "200Mi"}}
    cluster.api.call("PATCH", "/api/v1/nodes/real/status", {"status": status}, MERGE)
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def program(cluster):
    return taken(cluster, "metrics-server")


def mounted(cluster, folder):
    """The folder where the pod of metrics-server has what it mounts, as the API has it."""
    configured = cluster.api.call("GET", f"{SYSTEM}/configmaps/metrics-server")["data"]
    secret = cluster.api.call("GET", f"{SYSTEM}/secrets/metrics-server")["data"]
    for name, files in (
        ("authority", configured),
        ("certificate", {name: base64.b64decode(text).decode() for name, text in secret.items()}),
    ):
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text)


def own_address():
    """An address of this computer that an endpoint may have: the API takes none of the loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this computer has no network")
        return asking.getsockname()[0]


def arguments(addon):
    """Those that the Deployment of an add-on starts its program with."""
    (container,) = containers(addon).values()
    return container["args"]


def command(cluster, program, folder, kubelet, port):
    """How the Deployment starts it, but for where it is."""
    args = [arg.replace("/etc/metrics-server", str(folder)).replace("8443", str(port)) for arg in arguments("metrics")]
    account = identity(cluster, folder, "metrics-server")
    accounts = [f"--{kind}kubeconfig={account}" for kind in ("", "authentication-", "authorization-")]
    return [str(program), *args, *accounts, f"--kubelet-port={kubelet}"]


@pytest.fixture
def metrics_server(cluster, apply, kubelet, program, tmp_path):
    """metrics-server as a process of this computer, which its Service leads to; `log` is its own."""
    apply("metrics")
    mounted(cluster, tmp_path)
    port = place.choose(tmp_path).store
    cluster.api.call("PATCH", f"{SYSTEM}/services/metrics-server", {"spec": {"selector": None}}, MERGE)
    endpoint = {
        "metadata": {"name": "it", "labels": {"kubernetes.io/service-name": "metrics-server"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [own_address()], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
    cluster.api.call("POST", "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", endpoint)
    log = tmp_path / "metrics-server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command(cluster, program, tmp_path, kubelet, port), stdout=out, stderr=out)
    yield SimpleNamespace(log=log, process=process)
    process.kill()
    process.wait()


def test_metrics_reach_who_asks_the_api_server(cluster, metrics_server):
    end, items, said = time.monotonic() + 300, [], ""
    while not items and time.monotonic() < end:
        assert metrics_server.process.poll() is None, metrics_server.log.read_text()[-3000:]
        time.sleep(1)
        try:
            items = cluster.api.call("GET", f"{METRICS}/nodes")["items"]
        except ApiError as error:
            said = str(error)
    assert items, said + metrics_server.log.read_text()[-3000:]
    assert items[0]["metadata"]["name"] == "real" and items[0]["usage"]["memory"] == "100Mi"
    assert 200 < int(items[0]["usage"]["cpu"].removesuffix("n")) / 1e6 < 300
    assert Kubelet.callers == {"Bearer"}
    name, _, cpu, *memory = top(cluster).splitlines()[1].split()
    assert name == "real" and 20 < int(cpu.removesuffix("%")) < 30 and memory == ["100Mi", "50%"]


def top(cluster):
    """What `kubectl top` says of nodes."""
    kubectl = [str(cluster.place.folder / "bin" / "hyperkube"), "kubectl"]
    where = [f"--server=https://{place.HOST}:{cluster.place.api}", f"--certificate-authority={cluster.place.ca}"]
    keys = cluster.place.folder / "addons"
    who = [f"--client-certificate={keys}/client.crt", f"--client-key={keys}/client.key"]
    return subprocess.run([*kubectl, *where, *who, "top", "nodes"], check=True, capture_output=True, text=True).stdout


CLAIM = {
    "metadata": {
        "name": "data",
        # As the scheduler and the controller manager write them once a pod uses the claim.
        "annotations": {
            "volume.kubernetes.io/selected-node": "stored",
            "volume.kubernetes.io/storage-provisioner": "anywhere.local/local-path",
        },
    },
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}},
}


@pytest.fixture
def provisioner(cluster, apply, tmp_path):
    """local-path-provisioner as a process of this computer; gives the file that it logs to."""
    found, log = taken(cluster, "local-path-provisioner"), tmp_path / "provisioner.log"
    apply("storage")
    for file, text in cluster.api.call("GET", f"{SYSTEM}/configmaps/local-path-provisioner")["data"].items():
        (tmp_path / file).write_text(text)
    args = [arg.replace("/etc/local-path-provisioner", str(tmp_path)) for arg in arguments("storage")]
    kubeconfig = identity(cluster, tmp_path, "local-path-provisioner")
    with log.open("wb") as out:
        process = subprocess.Popen([found, *args, f"--kubeconfig={kubeconfig}"], stdout=out, stderr=out)
    yield log
    process.kill()
    process.wait()


def wait(cluster, path, true, log):
    """What is at a path once that is true of it."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if is_there(cluster, path) and true(found := cluster.api.call("GET", path)):
            return found
        time.sleep(0.5)
    pytest.fail(f"{path}: {log.read_text()[-3000:]}")


def worked(cluster, action, volume, log):
    """Do the part of the kubelet: a pod that the provisioner started on the node has ended well. Gives its spec."""
    path = f"{SYSTEM}/pods/volume-{action}-{volume}"
    spec = wait(cluster, path, lambda pod: pod["spec"]["nodeName"] == "stored", log)["spec"]
    cluster.api.call("PATCH", f"{path}/status", {"status": {"phase": "Succeeded"}}, MERGE)
    return spec


def test_a_claim_gets_a_volume_which_goes_with_it(cluster, provisioner):
    cluster.api.call("POST", "/api/v1/nodes", {"metadata": {"name": "stored"}})
    cluster.api.call("POST", f"{SYSTEM}/serviceaccounts", {"metadata": {"name": "default"}})  # as on any cluster
    claim = cluster.api.call("POST", "/api/v1/namespaces/default/persistentvolumeclaims", CLAIM)
    assert claim["spec"]["storageClassName"] == "standard"
    volume = f"pvc-{claim['metadata']['uid']}"
    spec = worked(cluster, "create", volume, provisioner)
    folder = f"/var/lib/anywhere/volumes/{volume}_default_data"
    assert spec["containers"][0]["command"] == ["/volume"] and folder in spec["containers"][0]["args"]
    (mounted,) = spec["volumes"]
    assert mounted["hostPath"]["path"] == "/var/lib/anywhere/volumes/"
    path = f"/api/v1/persistentvolumes/{volume}"
    made = wait(cluster, path, bool, provisioner)["spec"]
    assert made["local"] == {"path": folder} and made["persistentVolumeReclaimPolicy"] == "Delete"
    (term,) = made["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["stored"]
    cluster.api.call("PATCH", f"{path}/status", {"status": {"phase": "Released"}}, MERGE)
    worked(cluster, "delete", volume, provisioner)
    # The controller manager, which is not here, would let it go.
    wait(cluster, path, lambda found: "deletionTimestamp" in found["metadata"], provisioner)
    assert "forbidden" not in provisioner.read_text().lower(), provisioner.read_text()


@pytest.mark.parametrize(
    ("addon", "account", "verb", "resource", "allowed"),
    [
        ("metrics", "metrics-server", "get", "nodes/metrics", True),
        ("metrics", "metrics-server", "list", "pods", True),
        ("metrics", "metrics-server", "get", "nodes/proxy", False),
        ("metrics", "metrics-server", "list", "secrets", False),
        ("metrics", "metrics-server", "delete", "pods", False),
        ("monitoring", "monitoring", "get", "nodes/metrics", True),
        ("monitoring", "monitoring", "watch", "deployments", True),
        ("monitoring", "monitoring", "get", "nodes/proxy", False),
        ("monitoring", "monitoring", "list", "secrets", False),
        ("monitoring", "monitoring", "list", "configmaps", False),
        ("storage", "local-path-provisioner", "create", "persistentvolumes", True),
        ("storage", "local-path-provisioner", "create", "pods", False),  # but in kube-system
        ("storage", "local-path-provisioner", "get", "secrets", False),
        ("storage", "local-path-provisioner", "update", "storageclasses", False),
    ],
)
def test_add_ons_may_do_what_they_must(cluster, apply, addon, account, verb, resource, allowed):
    apply(*with_needs(addon))
    kind, _, part = resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:kube-system:{account}",
            "resourceAttributes": {"verb": verb, "resource": kind, "subresource": part, "group": GROUPS.get(kind, "")},
        },
    }
    answer = cluster.api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert answer["status"]["allowed"] is allowed


GROUPS = {"storageclasses": "storage.k8s.io", "deployments": "apps"}
