"""The Corefile of the add-on `dns`, read by CoreDNS itself: what a person's snippets do to it, right ones and wrong."""

import re
import socket
import struct
import subprocess
import time
from types import SimpleNamespace

import golden
import pytest
from ruamel.yaml import YAML

from benchmarks.rollout import programs
from generator import addons
from generator.errors import UserError

HOSTS = "hosts {\n    192.0.2.10 git.example.com\n    fallthrough\n}\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    try:
        return programs.take("coredns", tmp_path_factory.mktemp("program"))
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")


def free_ports(count):
    """Ports of the loopback that nobody has yet, for TCP and so most likely for UDP."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(params=["quickstart", "quickstart-flannel"])
def dns(request, program, tmp_path):
    """Starts CoreDNS as its pod does, but for where it is, and without an API."""
    definition, lock, _ = golden.load(request.param)
    manifest = addons.manifests(definition, lock, "10.96.0.10")["cluster"]["dns.yaml"]
    made = YAML(typ="safe", pure=True).load_all(manifest)
    (config,) = (each["data"] for each in made if each["kind"] == "ConfigMap")
    folder, servers = tmp_path / "custom", tmp_path / "servers.conf"
    servers.write_text("nameserver 192.0.2.1\n")  # who never answers
    port, health, ready, metrics = free_ports(4)
    text = re.sub(r"    kubernetes .*?\n    }\n", "", config["Corefile"], flags=re.DOTALL)
    text = re.sub(r"forward \. \S+", f"forward . {servers}", text).replace(":53 {", f":{port} {{")
    text = text.replace("health {", f"health 127.0.0.1:{health} {{").replace("    ready\n", f"    ready :{ready}\n")
    text = text.replace(":9153", f":{metrics}").replace("    loop\n", "").replace("lameduck 5s", "lameduck 0s")
    text = text.replace("    reload\n", "    reload 2s 1s\n").replace("/etc/coredns-custom", str(folder))
    (tmp_path / "Corefile").write_text(text)
    processes, log = [], tmp_path / "log"

    def start():
        with log.open("ab") as out:
            processes.append(subprocess.Popen([program, "-conf", tmp_path / "Corefile"], stdout=out, stderr=out))
        return processes[-1]

    def mount(snippets):
        mounted(folder, {"anywhere.override": config["none"], "anywhere.server": config["none"], **snippets})

    mount({})
    yield SimpleNamespace(start=start, mount=mount, port=port, log=log.read_text)
    for process in processes:
        process.kill()
        process.wait()


def mounted(folder, files):
    """Make `folder` hold these files, all at once: as a kubelet does."""
    new = folder.with_name(f"custom-{time.monotonic_ns()}")
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text)
    link = folder.with_name("link")
    link.symlink_to(new)
    link.replace(folder)


def ask(dns, name):
    """The address that a name has, or how the answer says that it has none."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(1)
        udp.connect(("127.0.0.1", dns.port))
        udp.send(struct.pack("!6H", 1, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!B2H", 0, 1, 1))
        try:
            answer = udp.recv(4096)
        except OSError:
            return None
    answers = struct.unpack("!6H", answer[:12])[3]
    return socket.inet_ntoa(answer[-4:]) if answers == 1 else answer[3] & 15


def until(dns, true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, dns.log()
        time.sleep(0.2)


def change(dns, snippets):
    """Have it take other snippets; one that came before it is done with these would be missed."""
    before = dns.log().count("Reloading complete")
    dns.mount(snippets)
    until(dns, lambda: dns.log().count("Reloading complete") > before)


def zone(dns, address):
    """A server block for a zone of its own."""
    return f"corp.example.com:{dns.port} {{\n    hosts {{\n        {address} www.corp.example.com\n    }}\n}}"


def test_without_snippets_it_runs_and_misses_none(dns):
    process = dns.start()
    until(dns, lambda: "SHA512" in dns.log())
    time.sleep(4)  # it looks twice for changes
    assert process.poll() is None and "No files matching" not in dns.log()


def test_snippets_are_taken_while_it_runs_and_let_go_again(dns):
    process = dns.start()
    until(dns, lambda: "SHA512" in dns.log())
    for address in ("192.0.2.20", "192.0.2.21"):
        change(dns, {"hosts.override": HOSTS, "corp.server": zone(dns, address)})
        assert ask(dns, "www.corp.example.com") == address
        assert ask(dns, "git.example.com") == "192.0.2.10"
    change(dns, {})
    assert ask(dns, "git.example.com") != "192.0.2.10" and ask(dns, "www.corp.example.com") != "192.0.2.21"
    assert process.poll() is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("no-such-plugin", "wrong.override:1 - Error during parsing: Unknown directive 'no-such-plugin'"),
        ("cache 30", "plugin/cache: this plugin can only be used once per Server Block"),
    ],
)
def test_a_wrong_snippet_changes_nothing_in_one_that_runs_and_ends_one_that_starts(dns, wrong, said):
    dns.mount({"hosts.override": HOSTS})
    process = dns.start()
    until(dns, lambda: ask(dns, "git.example.com") == "192.0.2.10")
    dns.mount({"hosts.override": HOSTS, "wrong.override": wrong})
    until(dns, lambda: "reload failed" in dns.log())
    assert said in dns.log()
    assert process.poll() is None and ask(dns, "git.example.com") == "192.0.2.10"
    assert dns.start().wait(30) == 1
    assert dns.log().splitlines()[-1].endswith(said)  # which `status` quotes
    dns.mount({"hosts.override": HOSTS.replace("192.0.2.10", "192.0.2.11")})
    until(dns, lambda: ask(dns, "git.example.com") == "192.0.2.11")
