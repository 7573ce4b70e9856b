"""A machine behind a proxy: at 127.0.0.1:3128 of its namespace, with the cloud's services behind it as well."""

import socket
from contextlib import contextmanager
from dataclasses import replace

from generator import node_proxy
from generator.definition import Proxy
from tests import golden, outside
from tests.fetch.endpoint import Endpoint

ADDRESS = "http://127.0.0.1:3128"


@contextmanager
def behind(machine):
    """The proxy; `seen` are the targets that it was asked for."""
    listening = socket.create_server(("127.0.0.1", 0))
    services = Endpoint(listening, machine.services.service, machine.context)
    definition = replace(golden.load("quickstart")[0], proxy=Proxy(ADDRESS, ADDRESS, ()))
    file = machine.namespace.etc / "anywhere" / "proxy.env"
    file.write_text(node_proxy.environment_file(node_proxy.variables(definition)))
    with outside.serving(outside.Proxy, listening=machine.namespace.listen("127.0.0.1", 3128)) as server:
        server.tls, server.plain, server.seen, server.credentials = listening.getsockname()[1], 1, [], b""
        yield server
    file.unlink()
    services.close()
