"""The API client, against a TLS server of the cluster's own PKI on loopback."""

import io
import json
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest

from generator import kubernetes, pki
from generator.cli.phases import Phases
from generator.errors import UserError
from generator.kubernetes import DESCRIPTIONS, UnreachableError
from generator.operations import cluster_api, departed_nodes, load_balancers
from generator.store import Secrets

NODES = {"items": [{"metadata": {"name": "worker-1"}}, {"metadata": {"name": "master1"}}]}


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    answers = {"/readyz": b"ok", "/api/v1/nodes?resourceVersion=0": json.dumps(NODES).encode()}

    def do_GET(self):
        body = self.answers.get(self.path)
        self.send_response(200 if body else 404)
        body = body or b'{"kind": "Status", "code": 404}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def secrets():
    return pki.ensure(Secrets("quickstart"), datetime.now(UTC), IPv4Network("10.96.0.0/16"))


def serve(document, folder):
    """Serve as kube-apiserver does, asking for a client certificate; the server."""
    for name in ("server.crt", "server.key", "ca.crt"):
        (folder / name).write_text(document[name])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def server(secrets, tmp_path):
    server = serve(pki.documents(secrets)["kube-apiserver"], tmp_path)
    yield server
    server.shutdown()
    server.server_close()


def client(secrets, port, tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(pki.admin_kubeconfig(secrets, f"https://127.0.0.1:{port}", "quickstart-local"))
    return cluster_api.client(path)


def test_who_waits_for_a_slow_api_server_asks_it_less_often(server, secrets, tmp_path, monkeypatch):
    """It would otherwise have less time for what it is waited for."""
    now, pauses = [0.0], []
    monkeypatch.setattr(kubernetes.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kubernetes.time, "sleep", pauses.append)
    asking = client(secrets, server.server_port, tmp_path)

    def ask(seconds):
        monkeypatch.setattr(kubernetes.Client, "_ask", lambda *_: now.__setitem__(0, now[0] + seconds) or b"ok")
        assert asking.readyz()

    for seconds in (0.1, 1, 1):
        ask(seconds)
    asking.pause(3)
    asking.pause(3)  # what was asked before the last pause no longer counts
    ask(60)
    asking.pause(3)
    asking.pause(20)
    assert pauses == [pytest.approx(8.4), 3, kubernetes.LONGEST_PAUSE, 20]


def test_an_answer_that_never_comes_counts(server, secrets, tmp_path, monkeypatch):
    pauses = []
    asking = client(secrets, server.server_port, tmp_path)
    server.shutdown()
    server.server_close()
    monkeypatch.setattr(kubernetes.time, "sleep", pauses.append)
    assert not asking.readyz()
    asking.pause(0)
    assert pauses[0] > 0


def test_nodes_are_read_with_the_clients_certificate(server, secrets, tmp_path):
    with_certificate = client(secrets, server.server_port, tmp_path)
    assert with_certificate.readyz()
    assert [node.name for node in with_certificate.nodes()] == ["master1", "worker-1"]
    with_certificate.close()


def test_the_api_is_asked_for_what_kubectl_reads_first_as_kubectl_asks(server, secrets, tmp_path, monkeypatch):
    asked = []

    def answer(self):
        asked.append((self.path, self.headers["Accept"]))
        Api.do_GET(self)

    monkeypatch.setattr(server, "RequestHandlerClass", type("Recorded", (Api,), {"do_GET": answer}))
    monkeypatch.setattr(Api, "answers", Api.answers | dict.fromkeys(DESCRIPTIONS, b"..."))
    asking = client(secrets, server.server_port, tmp_path)
    asking.describe_itself()
    assert asked == list(DESCRIPTIONS.items())
    assert "proto-openapi" in DESCRIPTIONS["/openapi/v2"]
    assert asking.readyz()


@pytest.mark.parametrize(("before", "now", "line"), [(b"a\nb\n", b"c", "b"), (None, b"c\n", "c"), (None, None, "")])
def test_the_last_words_of_a_container(server, secrets, tmp_path, monkeypatch, before, now, line):
    path = "/api/v1/namespaces/kube-system/pods/p/log?container=c&tailLines=1"
    answers = {key: text for key, text in ((f"{path}&previous=true", before), (path, now)) if text}
    monkeypatch.setattr(Api, "answers", answers)
    assert client(secrets, server.server_port, tmp_path).last_line("kube-system", "p", "c") == line


def test_what_is_not_found_is_an_error_with_its_path(server, secrets, tmp_path):
    with pytest.raises(UnreachableError, match="/nothing with 404"):
        client(secrets, server.server_port, tmp_path).get("/nothing")


def test_a_server_of_another_authority_is_not_believed(server, tmp_path):
    other = pki.ensure(Secrets("quickstart"), datetime.now(UTC), IPv4Network("10.96.0.0/16"))
    stranger = client(other, server.server_port, tmp_path)
    assert not stranger.readyz()
    with pytest.raises(UnreachableError, match=r"(?i)certificate"):
        stranger.nodes()


def test_nobody_there_is_an_error(secrets, tmp_path):
    with pytest.raises(UnreachableError, match="does not answer"):
        client(secrets, 9, tmp_path).nodes()


def test_a_damaged_kubeconfig_is_named(tmp_path):
    (tmp_path / "kubeconfig").write_text("clusters: [")
    with pytest.raises(UserError, match="is damaged"):
        cluster_api.client(tmp_path / "kubeconfig")
    with pytest.raises(UserError, match="There is no"):
        cluster_api.client(tmp_path / "absent")


class Fleet(Api):
    """An API whose Services go one look after they were asked to."""

    services = ()
    deleted = []

    def do_GET(self):
        left = [item for item in self.services if f"/{item['metadata']['name']}" not in "".join(self.deleted)]
        type(self).answers = {"/api/v1/services": json.dumps({"items": left}).encode()}
        super().do_GET()

    def do_DELETE(self):
        self.deleted.append(self.path)
        self.send_response(404 if "gone" in self.path else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def service(name, kind):
    return {"metadata": {"name": name, "namespace": "web"}, "spec": {"type": kind}}


def test_load_balancer_services_are_deleted_and_waited_for(secrets, server, tmp_path):
    Fleet.services = (service("front", "LoadBalancer"), service("inner", "ClusterIP"), service("gone", "LoadBalancer"))
    Fleet.deleted = []
    server.RequestHandlerClass = Fleet
    file = tmp_path / "kubeconfig"
    file.write_text(pki.admin_kubeconfig(secrets, f"https://127.0.0.1:{server.server_port}", "quickstart-local"))
    said = io.StringIO()
    load_balancers.delete(SimpleNamespace(kubeconfig=file), Phases(said))
    assert Fleet.deleted == ["/api/v1/namespaces/web/services/front", "/api/v1/namespaces/web/services/gone"]
    assert "deleting namespaces/web/services/front" in said.getvalue()


def test_an_api_that_is_gone_asks_for_no_load_balancers(secrets, server, tmp_path):
    file = tmp_path / "kubeconfig"
    file.write_text(pki.admin_kubeconfig(secrets, "https://127.0.0.1:9", "quickstart-local"))
    said = io.StringIO()
    load_balancers.delete(SimpleNamespace(kubeconfig=file), Phases(said))
    assert "does not answer" in said.getvalue()


def a_node(name, ready):
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown", "message": "it stopped reporting"}]
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "nodeInfo": {"bootID": f"boot-of-{name}"}}}


class Nodes(Api):
    """An API that remembers what is asked to change."""

    changed = {}
    answers = {
        "/api/v1/nodes?resourceVersion=0": json.dumps(
            {
                "items": [
                    a_node("worker-a-dead", False),
                    a_node("worker-a-late", False),
                    a_node("worker-a-new", True),
                    a_node("master1", False),
                ]
            }
        ).encode()
    }

    def do_PATCH(self):
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        self.changed[self.path] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def test_the_masters_are_told_of_workers_whose_machine_is_gone(secrets, server, tmp_path):
    """Not of masters, nor of workers that only are late: their machines are there."""
    Nodes.changed = {}
    server.RequestHandlerClass = Nodes
    file = tmp_path / "kubeconfig"
    file.write_text(pki.admin_kubeconfig(secrets, f"https://127.0.0.1:{server.server_port}", "quickstart-local"))
    nodes = cluster_api.client(file).nodes()
    said = io.StringIO()
    departed_nodes.remove(file, departed_nodes.departed(nodes, [SimpleNamespace(name="worker-a-late")]), Phases(said))
    wanted = {"metadata": {"labels": {"anywhere/leaving": "boot-of-worker-a-dead"}}}
    assert Nodes.changed == {"/api/v1/nodes/worker-a-dead": wanted}
    assert "worker-a-dead has no machine any more" in said.getvalue()


def test_an_object_is_applied_and_a_refusal_is_told_in_the_words_of_the_api(server, secrets, tmp_path, monkeypatch):
    asked, answers = [], [(201, b"{}"), (422, b'{"kind": "Status", "message": "spec.selector: field is immutable."}')]

    def answer(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked.append((self.path, self.headers["Content-Type"], json.loads(body)))
        status, said = answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    monkeypatch.setattr(Api, "do_PATCH", answer, raising=False)
    asking = client(secrets, server.server_port, tmp_path)
    asking.apply("/api/v1/namespaces/a", {"kind": "Namespace"}, "me")
    path = "/api/v1/namespaces/a?fieldManager=me&force=true"
    assert asked == [(path, "application/apply-patch+yaml", {"kind": "Namespace"})]
    with pytest.raises(UnreachableError, match=r"with 422 Unprocessable Entity\. spec.selector: field is immutable\.$"):
        asking.apply("/api/v1/namespaces/a", {}, "me")
    asking.close()
