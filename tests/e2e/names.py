"""Names that are asked for once, on a node or in a pod: whoever has to try again has waited already."""

import shlex
from contextlib import contextmanager

STUB = "127.0.0.53"  # systemd-resolved
OUTSIDE = "10.0.2.0/24"  # the network of a local machine that leads out, if anything does
CLIENT = """\
import socket, struct, sys
server, name = sys.argv[1:]
if server == "own":
    lines = open("/etc/resolv.conf").read().splitlines()
    server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(2)
    udp.connect((server, 53))
    udp.send(struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!B2H", 0, 1, 1))
    try:
        code = udp.recv(4096)[3] & 15
    except OSError as error:
        print(f"{server}: {error}")
    else:
        print({0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN"}.get(code, f"RCODE {code}"))
"""
# It knows no name.
SERVER = """\
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((sys.argv[1], 53))
while True:
    asked, client = udp.recvfrom(4096)
    question = asked[12:asked.index(0, 12) + 5]
    udp.sendto(asked[:2] + bytes([0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]) + question, client)
"""


def on_node(cluster, machine, server, name):
    """What `server` answers a node, in two seconds and one try."""
    return cluster.on(machine, shlex.join(["python3", "-c", CLIENT, server, name])).strip()


def in_pod(cluster, pod, name):
    """The same of the server that an echo pod is given."""
    words = ["/usr/bin/python3", "-c", CLIENT, "own", name]
    return cluster.kubectl("exec", "--namespace=e2e", pod, "--", *words).strip()


@contextmanager
def upstream(cluster, machine):
    """Give a machine whose network answers for no names a server that says so, instead of the one it has."""
    shown = cluster.on(machine, f"ip -o -4 address show to {OUTSIDE}").split()
    link, address = shown[1], shown[3].partition("/")[0]
    server = shlex.join(["/usr/bin/python3", "-c", SERVER, address])
    cluster.on(machine, f"sudo systemd-run --quiet --collect --unit=e2e-names {server}")
    try:
        cluster.on(machine, f"sudo resolvectl dns {link} {address}")
        yield
    finally:
        cluster.on(machine, f"sudo resolvectl revert {link}; sudo systemctl stop e2e-names")
