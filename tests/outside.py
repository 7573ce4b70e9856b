"""An outside that only a proxy reaches: TLS sites of an authority of their own, and a proxy on loopback."""

import base64
import http.client
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from generator.pki import certificate
from generator.pki.certificate import SERVER, Leaf


class Site(BaseHTTPRequestHandler):
    """Answers what `answers` holds by path, and 404 to all else."""

    answers: dict[str, bytes] = {}
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        body = self.answers.get(self.path.partition("?")[0])
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body or b"")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *args):
        pass


class Proxy(BaseHTTPRequestHandler):
    """A forward proxy that takes every name for one site, and notes it; `users` may be asked for their password."""

    def do_CONNECT(self):
        if not self.admitted(self.path):
            return
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.server.tls)) as there:
            back = threading.Thread(target=self.pump, args=(there, self.connection), daemon=True)
            back.start()
            self.pump(self.connection, there)
            back.join()
        self.close_connection = True

    def do_GET(self):
        host, _, path = self.path.partition("://")[2].partition("/")
        if not self.admitted(f"{host}:80"):
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.plain, timeout=20)
        connection.request("GET", f"/{path}", headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def admitted(self, target):
        self.server.seen.append(target)
        expected = self.server.credentials
        if expected and self.headers.get("Proxy-Authorization") != f"Basic {base64.b64encode(expected).decode()}":
            self.send_error(407)
            return False
        return True

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def log_message(self, *args):
        pass


@contextmanager
def serving(handler, context=None, listening=None):
    """`listening` is a socket to serve on, such as one of another namespace; else there is a new one on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if listening:
            server.socket.close()
            server.socket = listening
        server.daemon_threads, server.block_on_close = True, False
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def authority(folder, *names):
    """A CA, and a TLS context of a server that has these names; the CA is at `folder`/ca.crt."""
    now = datetime.now(UTC)
    issuer = certificate.authority("outside", "tests", now)
    pair = certificate.issue(Leaf("outside", "outside", (SERVER,), names=names, life=timedelta(days=1)), issuer, now)
    folder.mkdir(exist_ok=True)
    for name, text in {"ca.crt": issuer.crt, "server.crt": pair.crt, "server.key": pair.key}.items():
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


@contextmanager
def proxied(handler, context, credentials=b""):
    """A proxy before a site; `seen` are the targets that it was asked for."""
    with serving(handler, context) as tls, serving(handler) as plain, serving(Proxy) as proxy:
        proxy.tls, proxy.plain, proxy.seen, proxy.credentials = tls.server_port, plain.server_port, [], credentials
        yield proxy
