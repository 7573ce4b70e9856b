"""A component is asked where it listens: on the loopback of its own network namespace, with or without TLS."""

import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from agent import probe
from etcd_keys import Authority

NODE = Path(probe.__file__).parents[1]
# A server in a network namespace of its own; who asks it stays in this one.
LAB = """\
import os, subprocess, time
from agent import probe
server = subprocess.Popen(["unshare", "--net", "sh", "-c",
    "ip link set lo up && exec python3 -m http.server --bind 127.0.0.1 8080 >/dev/null 2>&1"])
try:
    end = time.monotonic() + 30
    while (status := probe.status(server.pid, "http://127.0.0.1:8080/")) is None and time.monotonic() < end:
        time.sleep(0.05)
    print(status, probe.status(os.getpid(), "http://127.0.0.1:8080/"))
finally:
    server.kill()
"""


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({"/readyz": 200, "/livez": 503}[self.path])
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(params=["http", "https"])
def address(request, tmp_path):
    """Of a server in the namespace of this process, whose certificate nobody knows."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    if request.param == "https":
        (tmp_path / "pem").write_text("".join(Authority().server(["192.0.2.1"])))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(tmp_path / "pem")
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"{request.param}://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_status_of_the_answer(address):
    assert probe.status(os.getpid(), f"{address}/readyz") == 200
    assert probe.status(os.getpid(), f"{address}/livez") == 503


def test_nobody_answers(address):
    scheme, _, port = address.rpartition(":")
    other = "http" if scheme.startswith("https") else "https"
    assert probe.status(os.getpid(), f"{other}://127.0.0.1:{port}/readyz") is None
    assert probe.status(1 << 30, f"{address}/readyz") is None  # no such process


def test_it_is_asked_in_its_own_namespace():
    line = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", LAB]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": str(NODE)}, capture_output=True, text=True)
    if "unshare: " in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.split() == ["200", "None"], done.stderr
