"""Machines as containers, through the real Terraform and the real systemd-nspawn; their init is a shell."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest

from providers.local import kind
from providers.local.container import lock, network
from providers.local.home import ClusterFolder
from tests.container import tree
from tests.e2e import leftovers
from tests.local_stack import BASE, Stack, end

pytestmark = pytest.mark.container
NETWORK = 'resource "anywhere_network" "n" {\n  name = "n"\n  cidr = "10.20.0.0/16"\n}\n'
DISK = 'resource "anywhere_disk" "d" {\n  name = "d"\n  size = 1\n  serial = "etcd"\n  machines = "container"\n}\n'
SECONDS = 20


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "image"
    tree.make_image(path)
    return path


@pytest.fixture
def stack(tmp_path, image):
    made = Stack(tmp_path)
    (tmp_path / "cache" / "base" / f"{BASE}.raw").hardlink_to(image)
    yield made
    for folder in made.machines.glob("*"):
        kind.load("container").remove(folder)
    kind.load("container").remove_network(cluster_of(made))
    until(lambda: not list(leftovers.of(tmp_path / "home", "c")))


def cluster_of(stack):
    return ClusterFolder("c", stack.cluster)


def machine(name="m", **other):
    values = {"name": name, "role": "worker", "cpus": 1, "memory": 64, "disk": 1, "base_image": BASE}
    values |= {"user_data": "#cloud-config\n", "grace": SECONDS, "egress": False, "machines": "container", **other}
    raw = ("disks", "network")  # these are expressions
    lines = "".join(f"  {key} = {value if key in raw else json.dumps(value)}\n" for key, value in values.items())
    return f'resource "anywhere_machine" "{name}" {{\n{lines}}}\n'


def attached(name, number, **other):
    return machine(name, network="anywhere_network.n.id", address=f"10.20.1.{number}/16", **other)


def console(stack, name="m"):
    return (stack.machines / name / "console.log").read_text(errors="replace")


def machine_leftovers(stack):
    """What a machine alone may leave: the network is the cluster's, and its control group goes at the next start."""
    lines = leftovers.of(stack.root / "home", "c")
    return (line for line in lines if line.startswith(("process", "loop device", f"mount {stack.root}", "interface")))


def until(true):
    end_at = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end_at
        time.sleep(0.02)


def test_a_whole_life(stack):
    stack.write(
        NETWORK + DISK + machine(network="anywhere_network.n.id", disks="[anywhere_disk.d.id]", address="10.20.1.1/16")
    )
    stack.run("init")
    stack.apply()
    stack.settled()
    made = stack.state("anywhere_machine.m")
    assert (made["running"], made["kind"], made["pid"]) == (True, "container", lock.holder(stack.machines / "m"))
    until(lambda: "up" in console(stack))
    stack.run("destroy", "-auto-approve")
    assert not list((stack.root / "home").iterdir())
    assert list(leftovers.of(stack.root / "home", "c")) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", made["ssh_port"]), 5)


def test_a_killed_machine_leaves_nothing_and_starts_in_place(stack):
    stack.write(NETWORK + attached("m", 1))
    stack.run("init")
    stack.apply()
    before, written = stack.state("anywhere_machine.m"), stack.machines / "m" / "upper" / "root" / "kept"
    written.parent.mkdir(exist_ok=True)
    written.touch()
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: not list(machine_leftovers(stack)))
    assert "Machine m is off" in stack.changes()
    assert "1 changed, 0 destroyed" in stack.apply()
    after = stack.state("anywhere_machine.m")
    assert after["running"] is True and after["pid"] != before["pid"]
    assert after["ssh_port"] == before["ssh_port"]
    assert written.exists()


def test_a_killed_machine_starts_while_the_kernel_still_has_its_interface(stack):
    stack.write(NETWORK + attached("m", 1))
    stack.run("init")
    stack.apply()
    (port,) = ports(stack)
    os.kill(stack.state("anywhere_machine.m")["pid"], signal.SIGKILL)
    until(lambda: not list(machine_leftovers(stack)) and not ports(stack))
    there = ["ip", "-n", network.namespace(cluster_of(stack)), "link", "add", port, "type", "veth", "peer", "name", "x"]
    subprocess.run(there, check=True)
    assert "1 changed, 0 destroyed" in stack.apply()
    assert ports(stack) == [port]


def ports(stack):
    """The interfaces on the cluster's bridge."""
    command = ["ip", "-json", "-n", network.namespace(cluster_of(stack)), "link", "show", "master", network.BRIDGE]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [link["ifname"] for link in json.loads(shown or "[]") if link]


def test_two_machines_share_a_network_of_their_own(stack):
    stack.write(NETWORK + attached("one", 1) + attached("two", 2))
    stack.run("init")
    stack.apply()
    assert {stack.state(f"anywhere_machine.{name}")["running"] for name in ("one", "two")} == {True}
    assert len(ports(stack)) == 2


def test_a_port_that_is_taken_is_named_and_nothing_stays(stack):
    stack.write(machine())
    stack.run("init")
    stack.apply()
    made = stack.state("anywhere_machine.m")
    os.kill(made["pid"], signal.SIGKILL)
    until(lambda: lock.holder(stack.machines / "m") is None)
    with socket.create_server(("127.0.0.1", made["ssh_port"])):
        assert "is in use" in " ".join(stack.apply(code=1).split())
    stack.apply()
    stack.settled()


def test_an_apply_that_is_killed_is_taken_up(stack):
    names = [f"m{number}" for number in range(3)]
    stack.write("".join(machine(name) for name in names))
    stack.run("init")
    with stack.start("apply", "-auto-approve") as running:
        until(lambda: list(stack.machines.glob("*/upper")))
        end(running, signal.SIGKILL)
    stack.apply()
    assert all(lock.holder(stack.machines / name) for name in names)
    stack.settled()


def test_the_other_kind_is_another_machine_and_auto_keeps_what_is_there(stack):
    stack.write(machine())
    stack.run("init")
    stack.apply()
    pid = stack.state("anywhere_machine.m")["pid"]
    stack.write(machine(machines="auto"))
    assert "0 added, 1 changed, 0 destroyed" in stack.apply()
    assert stack.state("anywhere_machine.m")["pid"] == pid
    stack.write(machine(machines="vm"))
    assert "must be replaced" in stack.changes()


def test_a_machine_without_its_image_leaves_nothing(stack):
    stack.write(machine(base_image="b" * 64))
    stack.run("init")
    assert "There is no base image" in stack.apply(code=1)
    assert not list(stack.machines.glob("*"))


def test_a_full_disk_is_named_and_nothing_stays(stack):
    stack.write(machine())
    stack.run("init")
    stack.cluster.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={tree.LAYER_KIB // 2}k", "tmpfs", stack.cluster], check=True)
    try:
        said = " ".join(stack.apply(code=1).split())
        assert "Copying the container images of the base image failed" in said
        assert "No space left on device" in said
        assert not list(stack.machines.glob("*"))
    finally:
        subprocess.run(["umount", stack.cluster], check=True)


def test_an_unknown_kind_is_refused(stack):
    stack.write(machine(machines="jail"))
    stack.run("init")
    assert "'jail' is not a kind of machine" in stack.run("validate", code=1)
