"""What a node requires of its kernel, also where that is the kernel of a container's host."""

import json

import pytest
from agent import containers, kernel
from agent.host import Host, NodeError
from releases import release

WORKER = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)


@pytest.fixture
def proc(tmp_path, monkeypatch, programs):
    """A kernel without modules and with forwarding off, where both can be changed."""
    sign, forward = tmp_path / "br_netfilter", tmp_path / "ip_forward"
    forward.write_text("0\n")
    monkeypatch.setattr(kernel, "MODULES", {"br_netfilter": sign.exists})
    monkeypatch.setattr(kernel, "SETTINGS", {forward: "1"})
    programs.put("modprobe", f"touch {sign}")
    programs.forward = forward
    return programs


def test_a_missing_module_is_loaded_and_a_setting_set_once(proc):
    kernel.ensure()
    kernel.ensure()
    assert proc.runs() == ["modprobe br_netfilter"]
    assert proc.forward.read_text() == "1"


def test_a_module_that_cannot_be_loaded_is_named(proc):
    proc.put("modprobe", "echo not found in directory >&2; exit 1")
    with pytest.raises(NodeError, match=r"the kernel lacks the module br_netfilter.*not found in directory"):
        kernel.ensure()


def test_a_machine_without_modprobe_names_the_module(proc, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NodeError, match="the kernel lacks the module br_netfilter"):
        kernel.ensure()


def test_a_setting_that_cannot_be_set_is_named(proc, monkeypatch):
    def read_only(path, text):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(type(proc.forward), "write_text", read_only)
    with pytest.raises(NodeError, match=r"ip_forward must be 1 and cannot be set: Read-only file system"):
        kernel.ensure()


@pytest.mark.parametrize(("version", "fails"), [(1, "false"), (2, "true")])
def test_the_kubelet_accepts_cgroups_of_version_1_where_there_are_no_others(tmp_path, monkeypatch, version, fails):
    monkeypatch.setattr(kernel, "CGROUP2", tmp_path / "cgroup.controllers")
    if version == 2:
        kernel.CGROUP2.touch()
    kubelet = next(c for c in release("ha")["roles"]["worker"]["containers"] if c["component"] == "kubelet")

    class Network:
        def node_address(self):
            return "10.32.0.1"

    found = containers.filled(release("ha"), kubelet, WORKER, Network())
    assert f"--fail-cgroupv1={fails}" in found["command"]
    assert "@" not in json.dumps(found["command"])


@pytest.mark.parametrize(("capabilities", "score"), [("000001ffffffffff", -997), ("000001fffeffffff", 5)])
def test_a_score_is_lowered_only_by_who_may(tmp_path, monkeypatch, capabilities, score):
    status, own = tmp_path / "status", tmp_path / "oom_score_adj"
    status.write_text(f"Name:\tagent\nCapEff:\t{capabilities}\n")
    own.write_text("5\n")
    monkeypatch.setattr(kernel, "STATUS", status)
    monkeypatch.setattr(kernel, "OOM_SCORE", own)
    assert kernel.oom_score(-997) == score


def test_a_kind_of_interface_is_tried_and_removed(programs):
    programs.put("ip")
    assert kernel.has_link("wireguard")
    assert programs.runs() == ["ip link add anywhere-probe type wireguard", "ip link delete anywhere-probe"]
    programs.put("ip", "echo Unknown device type >&2; exit 2")
    assert not kernel.has_link("wireguard")


def test_the_datapath_of_open_vswitch_is_a_family_of_the_kernel(monkeypatch):
    """The controller of families is one itself, which every kernel has."""
    monkeypatch.setattr(kernel, "DATAPATH", b"nlctrl\0")
    assert kernel.has_datapath()
    monkeypatch.setattr(kernel, "DATAPATH", b"no_such_family\0")
    assert not kernel.has_datapath()
