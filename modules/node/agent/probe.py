"""Questions to components over HTTP, each in the component's own network namespace.

This process asks them itself: to start a program for each costs an emulated machine a second.
"""

from __future__ import annotations

import ctypes
import http.client
import ssl
import threading
import urllib.parse
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"  # of the states in proc_net_tcp(5)
SECONDS = 5
NETWORK = 0x40000000  # of setns(2): CLONE_NEWNET


def listens(pid: int, port: int | None) -> bool:
    """Whether the port is open in the network namespace of process `pid`.

    While a component starts it is not. What then refuses connections would be asked in vain, and a slow machine have
    less time for what it waits for.
    """
    try:
        tables = [(PROC / str(pid) / "net" / name).read_text() for name in ("tcp", "tcp6")]
    except OSError:  # it has just ended
        return False
    sockets = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(state == LISTEN and int(local.rpartition(":")[2], 16) == port for _, local, _, state, *_ in sockets)


def status(pid: int, url: str) -> int | None:
    """The HTTP status of the answer to a GET in the network namespace of process `pid`; None where there is none.

    The address is on the loopback of that namespace, where nothing else can listen, so the certificate is not verified.
    """
    found: list[int] = []

    def ask() -> None:
        try:
            _enter(pid)
            found.append(_get(urllib.parse.urlsplit(url)))
        except (OSError, http.client.HTTPException):  # also where the process has just ended
            pass

    thread = threading.Thread(target=ask)  # of its own, as a thread has no way back from a namespace but its end
    thread.start()
    thread.join()
    return found[0] if found else None


def _enter(pid: int) -> None:
    """Have this thread use the network namespace of a process, where that is another than its own."""
    theirs, own = (PROC / who / "ns" / "net" for who in (str(pid), "thread-self"))
    if theirs.readlink() != own.readlink():
        with theirs.open("rb") as namespace:
            libc = ctypes.CDLL(None, use_errno=True)  # Python itself has it from 3.12 on
            if libc.setns(namespace.fileno(), NETWORK):
                raise OSError(ctypes.get_errno(), f"namespace of process {pid}")


def _get(url: urllib.parse.SplitResult) -> int:
    host, port = url.hostname or "", url.port
    if url.scheme == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=tls)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", url.path)
        return connection.getresponse().status
    finally:
        connection.close()
