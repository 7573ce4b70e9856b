"""What containers are built on, without making any."""

import errno
import os
import socket
import threading
from pathlib import Path

import pytest

from generator.errors import UserError
from providers.local.container import cgroup, filesystem, fit, forward, kernel, lock, network, root, supervisor
from providers.local.home import ClusterFolder
from providers.local.record import Record


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A kernel whose build settings are what the test writes."""
    (tmp_path / "boot").mkdir()
    monkeypatch.setattr(kernel, "_ROOT", tmp_path)
    kernel._settings.cache_clear()
    yield tmp_path / "boot" / f"config-{os.uname().release}"
    kernel._settings.cache_clear()


ALL = "".join(f"CONFIG_{name}=y\n" for name in kernel.FEATURES.values())


def test_a_kernel_that_lacks_what_weave_needs_is_named(settings):
    settings.write_text(ALL.replace("CONFIG_DUMMY=y", "# CONFIG_DUMMY is not set"))
    assert kernel.missing(kernel.WEAVE) == ("dummy",)
    assert list(fit.unfit_drivers()) == ["weave"]
    assert "no dummy" in fit.unfit_drivers()["weave"]


def test_modules_are_loaded_and_what_is_built_in_is_not(settings):
    settings.write_text(ALL.replace("CONFIG_VXLAN=y", "CONFIG_VXLAN=m"))
    assert kernel.modules(kernel.FEATURES) == ("vxlan",)
    assert fit.unfit_drivers() == {}


def test_a_kernel_that_does_not_say_counts_as_complete(settings):
    assert kernel.missing(kernel.FEATURES) == ()


@pytest.fixture
def running(settings, tmp_path):
    """The settings of a kernel as it boots: a file each, but for keys, which it was built without."""
    files = {}
    for name, value in {**dict.fromkeys(kernel.KUBELET, 0), kernel.WATCHERS: 128}.items():
        if not name.startswith("kernel.keys."):
            files[name] = tmp_path / "proc/sys" / name.replace(".", "/")
            files[name].parent.mkdir(parents=True, exist_ok=True)
            files[name].write_text(f"{value}\n")
    return files


def test_what_kubelets_insist_on_is_set_before_the_first_machine_and_said(running):
    (said,) = kernel.unprepared()
    assert "vm.overcommit_memory to 1" in said and "fs.inotify.max_user_instances to 8192" in said
    assert "panic_on_oom" not in said and "keys" not in said
    kernel.prepare(())
    assert {name: file.read_text().strip() for name, file in running.items()} == {
        "vm.overcommit_memory": "1", "vm.panic_on_oom": "0", "kernel.panic": "10", "kernel.panic_on_oops": "1",
        kernel.WATCHERS: "8192",
    }  # fmt: skip
    assert kernel.unprepared() == ()


def test_more_watchers_than_needed_stay(running):
    running[kernel.WATCHERS].write_text("99999\n")
    kernel.prepare(())
    assert running[kernel.WATCHERS].read_text() == "99999\n"


def test_only_the_supervisor_holds_the_lock_and_who_asks_does_not(tmp_path):
    assert lock.holder(tmp_path) is None
    with lock.held(tmp_path):
        assert lock.holder(tmp_path) == lock.holder(tmp_path) == os.getpid()
        with pytest.raises(UserError, match="runs already"), lock.held(tmp_path):
            pass
    assert lock.holder(tmp_path) is None
    with lock.held(tmp_path):
        pass


@pytest.fixture
def hierarchy(tmp_path, monkeypatch):
    """cgroup v2 as files: a group `session` that this process is in."""
    session = tmp_path / "session"
    session.mkdir()
    for folder in (tmp_path, session):
        (folder / "cgroup.controllers").write_text("cpu memory pids\n")
        (folder / "cgroup.subtree_control").touch()
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "own", lambda: {"": session})
    return session


@pytest.fixture
def processes(hierarchy, monkeypatch):
    """Where each process is: two in `session`, which hands nothing down while any is there, as the kernel has it."""
    inside = {"11": hierarchy, "12": hierarchy}
    (hierarchy / "cgroup.procs").write_text("11\n12\n")
    write, path = Path.write_text, type(hierarchy)

    def as_the_kernel(self, text):
        if self.name == "cgroup.procs":
            inside[text] = self.parent
        if self.name == "cgroup.subtree_control" and self.parent in inside.values():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self))
        return write(self, text)

    monkeypatch.setattr(path, "write_text", as_the_kernel)
    return inside


def test_on_cgroup_v2_all_that_runs_in_the_group_steps_aside_and_it_hands_controllers_down(
    hierarchy, processes, tmp_path
):
    folder = tmp_path / "machine"
    folder.mkdir()
    made = cgroup.make("anywhere-c-m", cgroup.Limits(cpus=2, memory=64), folder)
    assert set(processes.values()) == {hierarchy / "supervisor"}
    assert (hierarchy / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert made.paths == (hierarchy / "anywhere-c-m",)
    assert cgroup.recorded(folder) == made


def test_whoever_has_stepped_aside_makes_groups_beside_itself(hierarchy, monkeypatch, tmp_path):
    monkeypatch.setattr(cgroup, "own", lambda: {"": hierarchy / "supervisor"})
    made = cgroup.make("anywhere-c-m", cgroup.Limits(cpus=2, memory=64), tmp_path)
    assert made.paths == (hierarchy / "anywhere-c-m",)


def test_a_layout_that_cannot_be_divided_is_refused(hierarchy, processes, tmp_path):
    (hierarchy / "supervisor").write_text("in the way")
    with pytest.raises(UserError, match=r"Control group .*session cannot be made") as refused:
        cgroup.make("anywhere-c-m", cgroup.Limits(1, 64), tmp_path)
    assert "machines: vm" in refused.value.hint


def test_missing_controllers_are_named(monkeypatch):
    monkeypatch.setattr(cgroup, "own", lambda: {"cpu": Path("/"), "pids": Path("/")})
    monkeypatch.setattr(cgroup, "unified", lambda: False)
    check = next(check for check in fit.checks(egress=False) if check.subject == "control groups")
    assert not check.ok and check.needed
    assert "cpuset, devices, memory, name=systemd" in check.detail


def test_without_root_and_sudo_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(root.shutil, "which", lambda name, **_: None)
    check = next(check for check in fit.checks(egress=False) if check.subject == "root")
    assert not check.ok and check.needed and check.hint == root.HINT


def test_who_is_not_root_goes_through_sudo(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(root, "find", lambda name: f"/usr/bin/{name}")
    command = root._command("remove", Path("/there"))
    assert command[:3] == ["/usr/bin/sudo", "--non-interactive", "--"]
    assert command[-3:] == ["providers.local.container.root", "remove", "/there"]
    assert "-I" in command  # nothing of the caller's environment decides what root runs


def test_under_systemd_a_machine_is_a_scope_with_a_device_filter(monkeypatch, tmp_path):
    monkeypatch.setattr(root, "SYSTEMD", tmp_path)
    monkeypatch.setattr(root, "find", lambda name: name)
    monkeypatch.setattr(cgroup, "unified", lambda: True)
    words = root._command("start", "c", "m", "images")
    assert words[:2] == ["systemd-run", "--scope"]
    assert "--property=DevicePolicy=closed" in words
    assert "systemd-run" not in root._command("remove", "m")


@pytest.mark.skipif(os.geteuid() != 0, reason="without root the verb would ask sudo")
def test_what_a_verb_says_arrives_with_its_hint(tmp_path):
    with pytest.raises(UserError) as refused:
        root.call("start", tmp_path / "c", tmp_path / "absent", tmp_path)
    assert "absent" in refused.value.message


def test_a_connection_is_led_into_the_machine_and_back(monkeypatch):
    monkeypatch.setattr(forward, "MACHINE", "127.0.0.1")
    echo = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = echo.accept()
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data.upper())

    threading.Thread(target=answer, daemon=True).start()
    door = forward.listen("127.0.0.1", 0)
    forward.serve(door, forward.into_machine(echo.getsockname()[1]))
    with socket.create_connection(door.getsockname(), 5) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"HELLO"


def test_clusters_of_one_name_in_two_homes_have_networks_of_their_own():
    names = {network.namespace(ClusterFolder("c", Path(home) / "c")) for home in ("/one", "/two")}
    assert len(names) == 2


def test_a_machine_is_handed_no_secrets_and_no_modules(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_VAR_secrets", "a key")
    assert "a key" not in supervisor._environment().values()
    record = Record(
        **{"name": "m", "role": "worker", "cpus": 1, "memory": 64, "disk": 1, "base_image": "a" * 64, "network": None},
        **{"address": "", "disks": (), "egress": False, "accel": "auto", "forwards": {}, "ports": {}, "seed": ""},
    )
    monkeypatch.setattr(supervisor, "find", lambda name: name)
    tree = filesystem.Tree(tmp_path / "a:b")
    tree.folder.mkdir()
    binds = tuple(tree.binds([tmp_path / "disk"], ""))
    line = supervisor.command_line(record, "anywhere-c-m", tree, tmp_path / "net", binds)
    assert f"--bind={tmp_path}/a\\:b/stores/var/lib/docker:/var/lib/docker" in line
    (dropped,) = (word for word in line if word.startswith("--drop-capability="))
    assert {"CAP_SYS_MODULE", "CAP_SYS_TIME"} <= set(dropped.partition("=")[2].split(","))
    assert "--register=no" in line


def test_a_removed_machine_waits_for_its_own_loop_devices_and_for_no_shared_one(tmp_path, monkeypatch):
    """Machines with the same image share the device of the first, which stays as long as another one runs."""
    folder, loops, processes = tmp_path / "worker-1", tmp_path / "block", tmp_path / "proc"
    for name, device in (("loop0", "7:0"), ("loop1", "7:1")):
        (loops / name / "loop").mkdir(parents=True)
        (loops / name / "dev").write_text(f"{device}\n")
    (loops / "loop0" / "loop" / "backing_file").write_text(f"{folder}/base.raw\n")
    (loops / "loop1" / "loop" / "backing_file").write_text(f"{tmp_path}/worker-10/base.raw\n")
    (processes / "12").mkdir(parents=True)
    (processes / "12" / "mountinfo").write_text("611 609 7:0 / /base ro - ext4 /dev/loop0 ro\n")
    monkeypatch.setattr(filesystem, "LOOPS", loops)
    monkeypatch.setattr(filesystem, "PROCESSES", processes)
    folder.mkdir()
    filesystem.remove(folder)
    assert not folder.exists()
    (processes / "12" / "mountinfo").write_text("611 609 7:1 / /base ro - ext4 /dev/loop1 ro\n")
    waited = []

    def wait(seconds):
        waited.append(seconds)
        (loops / "loop0" / "loop" / "backing_file").unlink()  # the kernel lets go

    monkeypatch.setattr(filesystem.time, "sleep", wait)
    folder.mkdir()
    filesystem.remove(folder)
    assert len(waited) == 1 and not folder.exists()
