"""The Terraform provider for local machines against the real terraform and the real QEMU."""

import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_stack import BASE, Stack, end

from providers.local import ports

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("terraform", "qemu-system-x86_64", "qemu-img"))), reason="terraform and QEMU are needed"
)
SECRET = "a secret that nobody may find"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.clean()


def machine(name: str = "m", **other: object) -> str:
    """A machine that boots nothing; its guest does not hear the power button."""
    values = {"name": name, "role": "worker", "cpus": 1, "memory": 64, "disk": 1, "base_image": BASE}
    values |= {"user_data": "#cloud-config\n", "grace": 1, **other}
    raw = ("disks", "network")  # these are expressions
    lines = "".join(f"  {key} = {value if key in raw else json.dumps(value)}\n" for key, value in values.items())
    return f'resource "anywhere_machine" "{name}" {{\n{lines}}}\n'


DISK = 'resource "anywhere_disk" "d" {\n  name = "d"\n  size = 1\n  serial = "etcd"\n}\n'
NETWORK = 'resource "anywhere_network" "n" {\n  name = "n"\n  cidr = "10.20.0.0/16"\n}\n'
DOCUMENT = """
variable "secret" {
  ephemeral = true
  default   = null
}
resource "anywhere_document" "s" {
  key             = "secrets/etcd"
  roles           = ["etcd"]
  content_wo      = var.secret
  content_version = "1"
}
"""


def test_a_whole_life(stack: Stack) -> None:
    attached = {"network": "anywhere_network.n.id", "disks": "[anywhere_disk.d.id]", "address": "10.20.1.1/16"}
    stack.write(NETWORK + DISK + machine(**attached, forwards={"api": 6443}))
    stack.init()
    stack.apply()
    stack.settled()
    made = stack.state("anywhere_machine.m")
    assert made["running"] is True
    assert made["pid"] == stack.pid("m")
    for port in (made["ssh_port"], made["forward_ports"]["api"]):
        socket.create_connection(("127.0.0.1", port), 5).close()
    stack.run("destroy", "-auto-approve")
    assert not stack.processes()
    assert not list((stack.root / "home").iterdir())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", made["ssh_port"]), 5)


def test_a_machine_holds_no_secret_of_the_environment(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    stack.apply(TF_VAR_secret=SECRET)
    assert SECRET.encode() not in Path(f"/proc/{stack.pid('m')}/environ").read_bytes()


def test_a_dead_machine_starts_in_place(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    stack.apply()
    before, disk = stack.state("anywhere_machine.m"), (stack.machines / "m" / "disk.qcow2").stat()
    stack.kill("m")
    assert "Machine m is off" in stack.changes()
    said = stack.apply()
    assert "1 changed, 0 destroyed" in said
    after = stack.state("anywhere_machine.m")
    assert after["running"] is True
    assert after["pid"] == stack.pid("m") != before["pid"]
    assert after["ssh_port"] == before["ssh_port"]
    assert (stack.machines / "m" / "disk.qcow2").stat().st_ino == disk.st_ino


def test_a_lost_disk_means_a_new_machine(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    stack.apply()
    first = stack.pid("m")
    (stack.machines / "m" / "disk.qcow2").unlink()
    assert "Machine m has lost its disk" in stack.changes()
    stack.apply()
    assert stack.processes() == [stack.pid("m")] != [first]
    assert not Path(f"/proc/{first}/exe").exists()
    stack.settled()


def test_new_memory_and_forwards_come_in_place_and_a_new_role_does_not(stack: Stack) -> None:
    stack.write(DISK + machine(disks="[anywhere_disk.d.id]"))
    stack.init()
    stack.apply()
    root, data = stack.machines / "m" / "disk.qcow2", stack.cluster / "disks" / "d.qcow2"
    inodes, port = (root.stat().st_ino, data.stat().st_ino), stack.state("anywhere_machine.m")["ssh_port"]
    stack.write(
        DISK.replace("size = 1", "size = 2") + machine(disks="[anywhere_disk.d.id]", memory=80, forwards={"api": 6443})
    )
    assert "0 added, 2 changed, 0 destroyed" in stack.apply()
    made = stack.state("anywhere_machine.m")
    assert (made["memory"], made["ssh_port"], list(made["forward_ports"])) == (80, port, ["api"])
    assert (root.stat().st_ino, data.stat().st_ino) == inodes
    stack.settled()
    stack.write(DISK.replace("size = 1", "size = 2") + machine(disks="[anywhere_disk.d.id]", role="master"))
    assert "1 added, 0 changed, 1 destroyed" in stack.apply()
    assert data.stat().st_ino == inodes[1]
    assert len(stack.processes()) == 1


def test_a_machine_can_be_off(stack: Stack) -> None:
    stack.write(machine(running=False))
    stack.init()
    stack.apply()
    assert stack.processes() == []
    stack.settled()
    stack.write(machine())
    stack.apply()
    assert len(stack.processes()) == 1


def test_secrets_are_written_only(stack: Stack) -> None:
    stack.write(DOCUMENT)
    stack.init()
    stack.run("plan", "-out=plan", TF_VAR_secret=SECRET)
    stack.run("apply", "plan", TF_VAR_secret=SECRET)
    path = stack.cluster / "documents" / "secrets" / "etcd"
    assert path.read_text() == SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    for kept in stack.folder.iterdir():
        assert kept.is_dir() or SECRET.encode() not in kept.read_bytes()
    assert SECRET not in stack.run("show", "-json", "plan")
    stack.settled()  # a plan needs no secrets


def test_a_new_version_writes_the_secret_again(stack: Stack) -> None:
    stack.write(DOCUMENT)
    stack.init()
    stack.apply(TF_VAR_secret=SECRET)
    stack.write(DOCUMENT.replace('"1"', '"2"'))
    assert "No content for document secrets/etcd" in stack.apply(code=1)
    stack.apply(TF_VAR_secret="another")
    assert (stack.cluster / "documents" / "secrets" / "etcd").read_text() == "another"
    stack.write(DOCUMENT.replace('"1"', '"2"').replace('["etcd"]', '["etcd", "master"]'))
    stack.apply()  # roles alone need no secret
    assert json.loads((stack.cluster / "readers" / "secrets" / "etcd").read_text())["roles"] == ["etcd", "master"]


def test_a_changed_document_is_drift(stack: Stack) -> None:
    stack.write('resource "anywhere_document" "r" {\n  key = "release.json"\n  roles = ["etcd"]\n  content = "1"\n}\n')
    stack.init()
    stack.apply()
    path = stack.cluster / "documents" / "release.json"
    path.write_text("2")
    assert "not as it was written" in stack.changes()
    stack.apply()
    assert path.read_text() == "1"
    path.unlink()
    stack.changes()
    stack.apply()
    assert path.read_text() == "1"


def test_a_source_must_have_its_checksum(stack: Stack) -> None:
    (stack.folder / "file").write_text("text")
    stack.write(
        'resource "anywhere_document" "r" {\n  key = "r"\n  roles = ["etcd"]\n  source = "file"\n'
        f'  sha256 = "{"0" * 64}"\n}}\n'
    )
    stack.init()
    assert "does not have the SHA-256" in stack.apply(code=1)
    assert not (stack.cluster / "documents").exists()


def test_what_terraform_forgot_is_adopted(stack: Stack) -> None:
    stack.write(NETWORK + DISK + machine())
    stack.init()
    stack.apply()
    pid = stack.pid("m")
    (stack.folder / "terraform.tfstate").unlink()
    stack.apply()
    assert stack.pid("m") == pid
    assert len(stack.processes()) == 1


def test_a_machine_of_another_state_is_left_alone(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    stack.apply()
    pid = stack.pid("m")
    (stack.folder / "terraform.tfstate").unlink()
    stack.write(machine(role="master"))
    assert "already exists, but not in this Terraform state" in stack.apply(code=1)
    assert stack.pid("m") == pid


def test_a_killed_apply_is_taken_up(stack: Stack) -> None:
    names = [f"m{number}" for number in range(4)]
    stack.write("".join(machine(name) for name in names))
    stack.init()
    with stack.start("apply", "-auto-approve") as running:
        while not list(stack.machines.glob("*/disk.qcow2")):
            assert running.poll() is None
            time.sleep(0.005)
        end(running, signal.SIGKILL)
    stack.apply()
    assert len(stack.processes()) == len(names)
    stack.settled()


def test_half_a_machine_is_made_anew(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    (stack.machines / "m").mkdir(parents=True)
    (stack.machines / "m" / "machine.json").write_text("{")
    (stack.machines / "m" / "disk.qcow2").write_text("no disk")
    stack.apply()
    assert len(stack.processes()) == 1


def test_ctrl_c_ends_a_long_power_off_and_keeps_the_state(stack: Stack) -> None:
    stack.write(machine(grace=600))
    stack.init()
    stack.apply()
    stack.write(machine(grace=600, memory=80))
    with stack.start("apply", "-auto-approve") as running:
        assert running.stdout is not None
        while "Modifying..." not in running.stdout.readline():
            assert running.poll() is None
        end(running, signal.SIGINT)
    stack.apply()
    stack.settled()
    assert len(stack.processes()) == 1
    assert stack.state("anywhere_machine.m")["memory"] == 80


def test_the_provider_ends_with_its_terraform(stack: Stack) -> None:
    stack.write(machine(grace=600))
    stack.init()
    stack.apply()
    stack.write(machine(grace=600, memory=80))
    with stack.start("apply", "-auto-approve") as running:
        assert running.stdout is not None
        while "Modifying..." not in running.stdout.readline():
            assert running.poll() is None
        children = Path(f"/proc/{running.pid}/task").glob("*/children")
        (provider,) = {Path(f"/proc/{pid}") for file in children for pid in file.read_text().split()}
        running.kill()
        end = time.monotonic() + 30
        while provider.exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert not provider.exists()
    stack.write(machine(grace=1, memory=80))  # this guest never hears the power button
    stack.apply()
    assert stack.state("anywhere_machine.m")["memory"] == 80
    stack.settled()


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Another program on a port, as soon as it is free."""
    end = time.monotonic() + 10
    while not ports.is_free(port) and time.monotonic() < end:
        time.sleep(0.02)
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_port_taken_meanwhile_is_named(stack: Stack) -> None:
    stack.write(machine())
    stack.init()
    stack.apply()
    port = stack.state("anywhere_machine.m")["ssh_port"]
    stack.kill("m")
    with taken(port):
        said = " ".join(stack.apply(code=1).split())
        assert f"Port {port} on 127.0.0.1, which leads to ssh of machine m, is in use" in said
    stack.apply()
    stack.settled()


def test_a_machine_that_cannot_start_leaves_nothing(stack: Stack) -> None:
    stack.write(machine(base_image="b" * 64))
    stack.init()
    assert "There is no base image" in stack.apply(code=1)
    stack.write(machine(cpus=100000))
    assert "QEMU cannot start machine m" in " ".join(stack.apply(code=1).split())
    assert not list(stack.machines.glob("*"))


def test_disks_do_not_shrink(stack: Stack) -> None:
    stack.write(DISK.replace("size = 1", "size = 2"))
    stack.init()
    stack.apply()
    stack.write(DISK)
    assert "Disks only grow" in stack.run("plan", code=1)


def test_errors_name_the_attribute(stack: Stack) -> None:
    stack.write(machine(address="10.20.1.300/16"))
    stack.init()
    said = stack.run("validate", code=1)
    assert "Write it like 10.20.1.1/16" in said
    assert "address = " in said
