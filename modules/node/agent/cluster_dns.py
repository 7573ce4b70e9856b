"""Whether the cluster's DNS answers this machine.

One question goes all the way that a pod's would: kube-proxy's rules for the Service, the pod network, and CoreDNS.
"""

from __future__ import annotations

import secrets
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from agent import service
from agent.host import Host

ANSWERED = "ok"
PORT = 53
ATTEMPTS, ATTEMPT_SECONDS = 2, 1.5  # a packet may get lost; converging must not wait for long
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
WATCH_SECONDS = 600
HEADER = struct.Struct("!6H")  # id, flags, and how many questions, answers, authorities and additional records
QUERY, RESPONSE, RCODE = 0x0100, 0x8000, 0x000F
A_RECORD_OF_INTERNET = struct.pack("!2H", 1, 1)


def check(release: Mapping[str, Any], me: Host) -> str:
    """ANSWERED, or why not in one word; "" where this machine does not ask, as it cannot reach Services."""
    runs = {spec["component"] for spec in release["roles"][me.role]["containers"]}
    if not release["dns"] or "kube-proxy" not in runs:
        return ""
    answer = ""
    for _ in range(ATTEMPTS):
        answer = ask(release["dns"]["server"], release["dns"]["name"])
        if answer == ANSWERED:
            break
    return answer


def watch(release: Mapping[str, Any]) -> None:
    """Beside the converge timer, ask on, and converge again as soon as there is an answer."""
    unit = ["--quiet", "--collect", "--unit=anywhere-dns", f"--property=RuntimeMaxSec={WATCH_SECONDS}"]
    unit += [f"--setenv=PYTHONPATH={service.HOME}", "--setenv=PYTHONPYCACHEPREFIX=/run/anywhere/pycache"]
    program = ["/usr/bin/python3", "-m", "agent.cluster_dns", release["dns"]["server"], release["dns"]["name"]]
    # It fails where one is at work already, which is as good.
    subprocess.run(["systemd-run", *unit, *program], capture_output=True, check=False)


def ask(server: str, name: str, port: int = PORT) -> str:
    """Ask `server` for the address of `name` once."""
    identity = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    question = HEADER.pack(identity, QUERY, 1, 0, 0, 0) + labels + b"\0" + A_RECORD_OF_INTERNET
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(ATTEMPT_SECONDS)
            udp.connect((server, port))  # connected, so that a refusal is heard
            udp.send(question)
            return _read(udp.recv(4096), identity)
    except TimeoutError:
        return "timeout"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"


def _read(answer: bytes, identity: int) -> str:
    if len(answer) < HEADER.size:
        return "malformed"
    echoed, flags, _, answers, _, _ = HEADER.unpack_from(answer)
    if echoed != identity or not flags & RESPONSE:
        return "malformed"
    if code := flags & RCODE:
        return RCODES.get(code, f"RCODE{code}")
    return ANSWERED if answers else "empty"


def main() -> None:
    """What the transient unit of `watch` does."""
    server, name = sys.argv[1:]
    while ask(server, name) != ANSWERED:
        time.sleep(1)
    subprocess.run(["systemctl", "start", "--no-block", "anywhere-converge.service"], check=True)


if __name__ == "__main__":
    main()
