"""What stands in for cloud-init on GCE, run as it is: an /etc, a /usr/local and a metadata server are ours."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from generator import node
from tests.fetch import google
from tests.fetch.endpoint import Answer, Endpoint
from tests.fetch.machine import MODULES
from tests.fetch.namespace import Namespace

SCRIPT = MODULES / "gce" / "startup-script"
GROUPS = {"etcd": "etcd", "master": "master", "worker": "worker-general"}
KEYS = ["ssh-ed25519 AAAA someone@example.com"]
PATH = "instance/attributes/user-data"


def parsed(role: str) -> dict:
    """The rendered user-data of a role."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(node.user_data("gce", role, GROUPS[role], KEYS))


class Machine:
    """A machine without cloud-init, whose systemctl writes down what it is told."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        self.namespace, self.local, self.told = namespace, folder / "local", folder / "told"
        self.programs, self.script = folder / "programs", folder / "metadata-script"
        for made in (self.local, self.programs, *(namespace.etc / name for name in ("anywhere", "systemd/system"))):
            made.mkdir(parents=True, exist_ok=True)
        self.program("systemctl", f'echo "$@" >>{self.told}')
        (self.programs / "ip").symlink_to(shutil.which("ip"))
        # Google's agent writes the attribute to a file, which it executes.
        self.script.write_bytes(SCRIPT.read_bytes())
        self.script.chmod(0o700)
        self.instance = google.Instance({})
        self.metadata = Endpoint(namespace.listen("169.254.169.254", 80), self.instance)

    def program(self, name: str, body: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.programs / name).chmod(0o755)

    def boots(self, user_data: object) -> subprocess.CompletedProcess[str]:
        self.instance.paths[PATH] = f"#cloud-config\n{json.dumps(user_data)}"
        return self.run(str(self.script))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """In the namespace, with a /usr/local of the machine's own."""
        mounted = f'mount --bind {self.local} /usr/local && exec env -i PATH={self.programs} "$@"'
        line = ("unshare", "--mount", "sh", "-c", mounted, "sh", *command)
        return subprocess.run(self.namespace.command(*line), capture_output=True, text=True, timeout=60)

    def inside(self, path: str) -> Path:
        """Where a file of the machine is outside of it."""
        root, rest = (self.namespace.etc, path[5:]) if path.startswith("/etc/") else (self.local, path[11:])
        return root / rest

    def rules(self) -> list[str]:
        done = subprocess.run(self.namespace.command("ip", "rule"), capture_output=True, text=True, check=True)
        return [" ".join(line.split()) for line in done.stdout.splitlines() if "169.254" in line]


@pytest.fixture
def machine(tmp_path):
    namespace = Namespace(tmp_path, google.HOSTS)
    made = Machine(tmp_path, namespace)
    yield made
    made.metadata.close()
    namespace.close()


@pytest.mark.parametrize("role", GROUPS)
def test_does_what_user_data_says(machine, role):
    wanted = parsed(role)
    done = machine.boots(wanted)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(wanted["write_files"]) == 6
    for file in wanted["write_files"]:
        written = machine.inside(file["path"])
        assert written.read_text() == file["content"]
        assert oct(written.stat().st_mode & 0o7777) == oct(int(file.get("permissions", "0644"), 8))
    assert machine.told.read_text().splitlines() == [" ".join(command[1:]) for command in wanted["runcmd"]]
    assert {command[0] for command in wanted["runcmd"]} == {"systemctl"}
    assert f"ANYWHERE_ROLE={role}\n" in machine.inside("/etc/anywhere/node.env").read_text()


def test_every_boot_ends_alike(machine):
    wanted = parsed("worker")
    machine.boots(wanted)
    first = {file["path"]: machine.inside(file["path"]).read_bytes() for file in wanted["write_files"]}
    rules = machine.rules()
    assert machine.boots(wanted).returncode == 0
    assert {path: machine.inside(path).read_bytes() for path in first} == first
    assert machine.rules() == rules
    folders = {machine.inside(path).parent for path in first}
    assert not [name for folder in folders for name in folder.iterdir() if name.suffix == ".new"]


def test_cloud_init_writes_the_same(machine):
    """Its own module for write_files, where this computer has it."""
    if subprocess.run(["/usr/bin/python3", "-c", "import cloudinit"], capture_output=True).returncode:
        pytest.skip("cloud-init is not installed")
    wanted = parsed("master")
    for file in wanted["write_files"]:
        machine.inside(file["path"]).unlink(missing_ok=True)
    program = """
import json, sys
from cloudinit.config.cc_write_files import write_files
write_files("write_files", json.loads(sys.argv[1]), "root:root")
"""
    done = machine.run("/usr/bin/python3", "-c", program, json.dumps(wanted["write_files"]))
    assert done.returncode == 0, done.stderr

    def seen() -> dict[str, tuple[bytes, int, int]]:
        files = (machine.inside(file["path"]) for file in wanted["write_files"])
        return {str(f): (f.read_bytes(), f.stat().st_mode, f.stat().st_uid) for f in files}

    theirs = seen()
    for path in theirs:
        Path(path).unlink()
    assert machine.boots(wanted).returncode == 0
    assert seen() == theirs


def test_leaves_it_to_cloud_init_where_there_is_one(machine):
    machine.program("cloud-init", "exit 1")
    assert machine.boots(parsed("worker")).returncode == 0
    assert not machine.told.exists()
    assert machine.metadata.seen == []
    assert machine.rules() != []


# The machine's way out is `nic`; `pods` is where its containers are.
NETWORKS = """
set -e
for name in nic pods; do ip tuntap add $name mode tun; ip link set $name up; done
ip address add 10.132.0.2/32 dev nic
ip route add default dev nic
ip address add 10.32.0.1/12 dev pods
echo 1 >/proc/sys/net/ipv4/ip_forward
"$1"
ask() { if ip route get 169.254.169.254 "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }
ask ipproto tcp dport 80
ask ipproto tcp dport 443
ask ipproto udp dport 53
ask from 10.32.0.9 iif pods ipproto udp dport 53
ask from 10.32.0.9 iif pods ipproto tcp dport 53
ask from 10.32.0.9 iif pods ipproto tcp dport 80
ask from 10.32.0.9 iif pods ipproto tcp dport 443
"""


def test_containers_reach_googles_name_server_and_no_identity(machine):
    """The kernel is asked where it would send packets of the machine itself, and those from its containers."""
    machine.program("cloud-init", "exit 1")
    shell = ("/usr/bin/env", f"PATH={machine.programs}:/usr/sbin:/usr/bin:/bin", "unshare", "--net", "sh", "-c")
    done = machine.run(*shell, NETWORKS, "sh", str(machine.script))
    assert done.stderr == ""
    assert done.stdout.split() == ["yes", "yes", "yes", "yes", "yes", "no", "no"]


def test_waits_for_a_metadata_server_that_is_not_ready(machine):
    machine.metadata.faults = [Answer(503, b"not yet")] * 2
    assert machine.boots(parsed("worker")).returncode == 0
    assert machine.metadata.faults == []


def test_says_why_where_there_is_no_user_data(machine):
    done = machine.run(str(machine.script))
    assert done.returncode == 1
    assert done.stderr == "no user-data: HTTP Error 404: Not Found\n"


def test_refuses_what_it_cannot_do(machine):
    done = machine.boots({**parsed("worker"), "packages": ["docker.io"]})
    assert (done.returncode, done.stderr) == (1, "the user-data has packages, for which there is nobody\n")
    assert not machine.told.exists()


def test_a_command_that_fails_is_told(machine):
    machine.program("systemctl", "exit 3")
    done = machine.boots(parsed("worker"))
    assert done.returncode != 0
    assert "returned non-zero exit status 3" in done.stderr
