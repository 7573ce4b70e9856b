"""The network of virtual machines, in the kernel: processes that only sleep stand for QEMU, which holds the same."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from generator.errors import UserError
from providers import Check
from providers.local import ethernet, host, process, qemu
from providers.local.home import alone, cluster_folder, write_json
from providers.local.record import Record

needs_namespaces = pytest.mark.skipif(bool(ethernet.obstacle()), reason=ethernet.obstacle())
HEADER = bytes(10)  # of virtio-net: nothing is left to do with the frame
FRAME = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + b"to whom it may concern".ljust(46, b"\0")


@contextmanager
def machine(port: ethernet.Port) -> Iterator[int]:
    """A process that holds what QEMU would; its pid."""
    with subprocess.Popen(["sleep", "infinity"], pass_fds=port.descriptors) as sleeper:
        try:
            yield sleeper.pid
        finally:
            sleeper.kill()


def record(**values: object) -> Record:
    known = {"name": "m", "role": "worker", "cpus": 1, "memory": 512, "disk": 2, "base_image": "b", "network": "n"}
    known |= {"address": "10.20.0.1/16", "disks": (), "egress": True, "accel": "tcg", "forwards": {}, "ports": {}}
    return Record(**{**known, "seed": "s", **values})


@needs_namespaces
def test_a_frame_reaches_every_other_machine() -> None:
    with ethernet.port("n", ()) as one, machine(one) as pid, ethernet.port("n", [pid]) as two:
        os.write(one.frames, HEADER + FRAME)
        while select.select([two.frames], [], [], 10)[0]:  # the kernel's own frames come too
            if os.read(two.frames, 2000)[len(HEADER) :] == FRAME:
                return
        pytest.fail("no frame came")


@needs_namespaces
def test_the_network_outlives_the_machine_that_made_it() -> None:
    with ethernet.port("n", ()) as one, machine(one) as first:
        namespace = os.fstat(one.descriptors[2]).st_ino
        with ethernet.port("n", [first]) as two, machine(two) as second:
            os.kill(first, 9)
            os.waitpid(first, 0)
            with ethernet.port("n", [first, second]) as three:
                assert os.fstat(three.descriptors[2]).st_ino == namespace


@needs_namespaces
def test_a_machine_that_opens_and_closes_files_is_on_the_network_all_the_time() -> None:
    """As QEMU does while it starts. Else the next machine would take it for one of another kind of network."""
    busy = "while True: [file.close() for file in [open('/dev/null') for _ in range(20)]]"
    with (
        ethernet.port("n", ()) as port,
        subprocess.Popen([sys.executable, "-c", busy], pass_fds=port.descriptors) as process,
    ):
        try:
            assert all(ethernet.joined(process.pid) for _ in range(500))
        finally:
            process.kill()


@needs_namespaces
def test_clusters_do_not_meet() -> None:
    with ethernet.port("n", ()) as one, ethernet.port("n", ()) as other:
        assert os.fstat(one.descriptors[2]).st_ino != os.fstat(other.descriptors[2]).st_ino


@needs_namespaces
def test_nothing_shows_on_this_computer() -> None:
    with ethernet.port("n", ()):
        shown = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert ethernet.bridge("n") not in shown


@needs_namespaces
def test_machines_that_began_on_multicast_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version started them: one that is started again must find them."""
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path))
    cluster = cluster_folder("c")
    write_json(cluster.networks / "n.json", {"cidr": "10.20.0.0/16", "socket": "239.1.2.3:20000"})
    with qemu.plugged(cluster, record()) as link:
        assert link and link.netdev.startswith("tap,") and link.descriptors
    monkeypatch.setattr(process, "running", lambda machines: (os.getpid(),))
    with qemu.plugged(cluster, record()) as link:
        assert link and "mcast=239.1.2.3:20000" in link.netdev and not link.descriptors


def test_without_namespaces_machines_meet_on_multicast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path))
    cluster = cluster_folder("c")
    write_json(cluster.networks / "n.json", {"cidr": "10.20.0.0/16", "socket": "239.1.2.3:20000"})
    monkeypatch.setattr(ethernet, "obstacle", lambda: "not permitted")
    with qemu.plugged(cluster, record()) as link:
        assert link and "mcast=239.1.2.3:20000" in link.netdev


def network_check(*pids: int) -> Check:
    return next(check for check in host.virtual(pids, first=False) if check.subject == "network of the machines")


@needs_namespaces
def test_doctor_says_what_the_machines_are_on() -> None:
    with ethernet.port("n", ()) as port, machine(port) as bridged, machine(ethernet.Port(())) as other:
        assert network_check(bridged).ok
        mixed, multicast = network_check(bridged, other), network_check(other)
    assert mixed.needed and not mixed.ok and "do not reach each other" in mixed.detail and "poweroff" in mixed.hint
    assert not multicast.needed and not multicast.ok and "they were started so" in multicast.detail


def test_two_that_start_at_once_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path))
    cluster = cluster_folder("c")
    cluster.networks.mkdir(parents=True)
    with alone(cluster.networks):
        line = ["flock", "--nonblock", str(cluster.networks), "true"]
        assert subprocess.run(line, check=False).returncode == 1
    assert subprocess.run(line, check=False).returncode == 0


def test_a_kernel_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ethernet, "_new", lambda: ["sh", "-c", "echo unshare: not permitted >&2; exit 1", "sh"])
    with pytest.raises(UserError, match="unshare: not permitted"), ethernet.port("n", ()):
        pass
