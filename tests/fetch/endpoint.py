"""An HTTP endpoint on a socket of a namespace, which answers as a service does and can be told to fail."""

import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in small letters
    body: bytes
    client: str = ""  # its address

    @property
    def host(self) -> str:
        return self.headers["host"]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0  # bytes promised and not sent


Service = Callable[[Request], Answer]


class Endpoint:
    """Serves one socket: first the `faults` in their order, each for one request, then what `service` says."""

    def __init__(self, listening: socket, service: Service, tls: ssl.SSLContext | None = None) -> None:
        self.faults: list[Answer] = []
        self.seen: list[Request] = []
        self.service = service
        self.server = ThreadingHTTPServer(("", 0), self._handler(tls), bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listening
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        return self.faults.pop(0) if self.faults else self.service(request)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self, tls: ssl.SSLContext | None) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                if tls:
                    self.request = tls.wrap_socket(self.request, server_side=True)
                super().setup()

            def handle(self):
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    super().handle()

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = endpoint.answer(Request(self.command, self.path, headers, body, self.client_address[0]))
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body) + answer.cut))
                self.end_headers()
                self.wfile.write(answer.body)
                self.close_connection = self.close_connection or bool(answer.cut)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = reply  # noqa: N815

            def log_message(self, *_):
                pass

        return Handler
