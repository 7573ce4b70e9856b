"""The documents of a cluster as a local machine is served them, and what was asked for."""

from __future__ import annotations

import os
import socketserver
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.files import write

from benchmarks.rollout.place import HOST, Place
from providers.local import metadata

RELEASE = "release.json"


class Store:
    """`answers` by HTTP status, and the `bytes` of all of them; `folder` is as that of a local cluster."""

    def __init__(self, folder: Path) -> None:
        self.answers: Counter[str] = Counter()
        self.bytes = 0
        self._folder, self._alone = folder, threading.Lock()

    @property
    def document(self) -> Path:
        return self._folder / "documents" / RELEASE

    def publish(self, text: str) -> None:
        """Have a release where machines look for it."""
        write(self._folder / "readers" / RELEASE, '{"roles": ["master", "worker"]}')
        write(self.document, text)

    def answer(self, request: Any) -> None:
        """Serve one connection as the local target does, and count what is sent."""
        with tempfile.TemporaryFile() as answer, request.makefile("rb") as stream:
            metadata.answer(stream, answer.fileno(), self._folder, "worker", self._folder)
            sent = os.pread(answer.fileno(), answer.seek(0, os.SEEK_END), 0)
        with self._alone:
            self.answers[sent.split(b" ", 2)[1].decode()] += 1
            self.bytes += len(sent)
        request.sendall(sent)


@contextmanager
def serving(place: Place) -> Iterator[Store]:
    """A store, served until the context ends."""
    store = Store(place.folder / "store")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            store.answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address, request_queue_size = True, True, 1024

    with Server((HOST, place.store), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield store
        finally:
            server.shutdown()
