"""The agent's client of the API, towards a server that asks for a client certificate."""

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest
from agent import api
from agent.api import ApiError

from generator import pki
from generator.store import Secrets
from tests.test_kubernetes import serve

POD, SERVICE = "/api/v1/namespaces/web/pods/a", "/api/v1/namespaces/web/services/b"


class Server(BaseHTTPRequestHandler):
    """Notes what it is sent, by connection; it refuses a second pod."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    sent, connections = [], set()

    def do_PATCH(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.connections.add(self.client_address)
        self.sent.append((self.path, self.headers["Content-Type"], text))
        body = b'{"metadata": {"uid": "1"}}' if len(self.sent) < 3 else b'{"message": "pods is forbidden"}'
        self.send_response(200 if len(self.sent) < 3 else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def client(tmp_path, monkeypatch):
    documents = pki.documents(pki.ensure(Secrets("x"), datetime.now(UTC), IPv4Network("10.96.0.0/16")))
    server = serve(documents["kube-apiserver"], tmp_path)
    handler = type("Own", (Server,), {"sent": [], "connections": set()})
    server.RequestHandlerClass = handler
    monkeypatch.setattr(api, "NAME", "127.0.0.1")
    monkeypatch.setattr(api, "PORT", server.server_port)
    for name in ("client.crt", "client.key"):
        (tmp_path / name).write_text(documents["addons"][name])
    found = api.Api(tmp_path / "ca.crt", tmp_path / "client.crt", tmp_path / "client.key")
    yield SimpleNamespace(api=found, sent=handler.sent, connections=handler.connections)
    server.shutdown()
    server.server_close()


def test_objects_are_applied_in_order_over_one_connection(client):
    made = {}
    client.api.apply([(POD, "kind: Pod\n"), (SERVICE, "kind: Service # ü\n")], made.__setitem__)
    assert made == {POD: "1", SERVICE: "1"}
    query = "?fieldManager=anywhere&force=true"
    assert client.sent == [
        (POD + query, "application/apply-patch+yaml", "kind: Pod\n"),
        (SERVICE + query, "application/apply-patch+yaml", "kind: Service # ü\n"),
    ]
    assert len(client.connections) == 1


def test_a_refusal_says_what_was_refused_and_why_and_ends_it(client):
    with pytest.raises(ApiError, match=f"PATCH {POD}.*: 403 pods is forbidden"):
        client.api.apply([(SERVICE, ""), (SERVICE, ""), (POD, "kind: Pod"), (SERVICE, "")])
    assert len(client.sent) == 3
