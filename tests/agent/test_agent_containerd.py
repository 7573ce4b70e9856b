"""containerd: its programs, its unit, and the pods that the containerd of Docker had before."""

import base64
import json
from types import SimpleNamespace

import pytest
from agent import containerd, service
from agent.host import NodeError
from agent.network import cni

ONE, OTHER = ({"id": f"sha256:{letter * 64}"} for letter in "ab")
UNIT = "anywhere-containerd.service"


@pytest.fixture
def machine(tmp_path, engine, programs, monkeypatch):
    """A machine with Docker and systemd; `units` is where systemd looks."""
    monkeypatch.setattr(containerd, "FOLDER", tmp_path / "opt")
    monkeypatch.setattr(containerd, "PROGRAMS", tmp_path / "opt" / "current")
    monkeypatch.setattr(service, "UNITS", tmp_path / "units")
    wants = tmp_path / "units" / "multi-user.target.wants"
    programs.put("systemctl", f'[ "$1" = enable ] && mkdir -p {wants} && touch "{wants}/$3"; exit 0')
    programs.put("docker", 'touch "$3/containerd" "$3/ctr"')
    return SimpleNamespace(programs=programs, engine=engine, opt=tmp_path / "opt", units=tmp_path / "units")


def restarts(machine):
    return machine.programs.runs().count(f"systemctl restart {UNIT}")


def test_the_programs_of_the_image_run_as_a_unit(machine):
    containerd.ensure(ONE)
    assert (machine.opt / "current" / "containerd").exists()
    unit = (machine.units / UNIT).read_text()
    assert f"ExecStart={machine.opt}/current/containerd " in unit and "@" not in unit
    assert restarts(machine) == 1 and machine.engine.names() == set()


def test_a_second_time_changes_nothing(machine):
    containerd.ensure(ONE)
    before = machine.programs.runs()
    containerd.ensure(ONE)
    assert machine.programs.runs() == before


def test_another_version_takes_the_place_of_the_one_before(machine):
    containerd.ensure(ONE)
    containerd.ensure(OTHER)
    assert restarts(machine) == 2
    assert {path.name for path in machine.opt.iterdir()} == {"current", "b" * 12}
    assert (machine.opt / "current").resolve().name == "b" * 12


def test_the_path_that_pods_are_started_by_outlives_a_version(machine):
    """containerd keeps that path with each pod, and gives up those whose program is gone."""
    containerd.ensure(ONE)
    before = (machine.units / UNIT).read_text().replace("a" * 64, "")
    containerd.ensure(OTHER)
    assert (machine.units / UNIT).read_text().replace("b" * 64, "") == before


def test_programs_that_were_copied_in_part_are_copied_again(machine):
    machine.programs.put("docker", 'touch "$3/containerd"; exit 1')
    with pytest.raises(NodeError):
        containerd.ensure(ONE)
    machine.programs.put("docker", 'touch "$3/containerd" "$3/ctr"')
    containerd.ensure(ONE)
    assert (machine.opt / "current" / "ctr").exists() and restarts(machine) == 1


def test_a_unit_that_does_not_start_is_tried_again(machine):
    start = machine.programs.read("systemctl")
    machine.programs.put("systemctl", f'[ "$1" = restart ] && exit 1; {start}')
    with pytest.raises(NodeError):
        containerd.ensure(ONE)
    machine.programs.put("systemctl", start)
    containerd.ensure(ONE)
    assert restarts(machine) == 2


CTR = """
shift 2  # --namespace
case "$1 $2" in
"tasks list") cat TASKS ;;
"tasks kill") sed -i "/$5/d" TASKS; [ "$5" != app ] ;; # of one, the CRI was faster
"containers list") cat CONTAINERS ;;
"containers info") [ "$3" = pod ] && path=', "path": "NETNS"'; echo '{"Spec": {"linux": {"namespaces": [
  {"type": "pid"}'; [ -z "$path" ] || echo ", {\\"type\\": \\"network\\"$path}"; echo "]}}}" ;;
"containers delete") [ -z "$(grep $3 TASKS)" ] && sed -i "/^$3$/d" CONTAINERS ;;
"images list") echo an-image ;;
esac
"""
PLUGIN = """#!/bin/sh
{ echo "PLUGIN $CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_IFNAME"; cat; echo; } >>LOG
exit CODE
"""


@pytest.fixture
def earlier(tmp_path, programs, monkeypatch):
    """A machine whose pods Docker's containerd runs: one on the cluster's network and one on the machine's."""
    record, results, plugins = tmp_path / "cri", tmp_path / "results", tmp_path / "plugins"
    monkeypatch.setattr(containerd, "EARLIER", record)
    monkeypatch.setattr(cni, "RESULTS", results)
    monkeypatch.setattr(cni, "PLUGINS", plugins)
    for folder in (results, plugins, *(record / "sandboxes" / name for name in ("pod", "host"))):
        folder.mkdir(parents=True)
    (record / "containers" / "app").mkdir(parents=True)
    tasks, found, netns = tmp_path / "tasks", tmp_path / "containers", tmp_path / "netns"
    for file in (tasks, found):
        file.write_text("pod\nhost\napp\n")
    netns.touch()
    script = CTR.replace("TASKS", str(tasks)).replace("CONTAINERS", str(found)).replace("NETNS", str(netns))
    programs.put("ctr", script)
    programs.put("umount")
    log = tmp_path / "log"
    for name, code in (("bridge", "0"), ("portmap", "1")):
        file = plugins / name
        file.write_text(PLUGIN.replace("PLUGIN", name).replace("LOG", str(log)).replace("CODE", code))
        file.chmod(0o755)
    configuration = {
        "cniVersion": "1.0.0",
        "name": "net",
        "plugins": [{"type": "bridge", "mtu": 9}, {"type": "portmap"}],
    }
    made = {
        "config": base64.b64encode(json.dumps(configuration).encode()).decode(),
        "ifName": "eth0",
        "result": {"a": 1},
    }
    (results / "net-pod-eth0").write_text(json.dumps(made))
    (results / "net-another-eth0").write_text(json.dumps(made))
    return SimpleNamespace(
        record=record, results=results, tasks=tasks, containers=found, netns=netns, log=log, programs=programs
    )


def test_earlier_pods_are_stopped_and_removed(earlier):
    containerd.retire_earlier()
    assert earlier.tasks.read_text() == earlier.containers.read_text() == ""
    assert "ctr --namespace k8s.io images delete an-image" in earlier.programs.runs()


def test_earlier_pods_give_back_their_network_even_where_a_plugin_fails(earlier):
    containerd.retire_earlier()
    portmap, _, bridge, request = earlier.log.read_text().splitlines()
    assert portmap == f"portmap DEL pod {earlier.netns} eth0"
    assert bridge == f"bridge DEL pod {earlier.netns} eth0"
    assert json.loads(request) == {
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "mtu": 9, "prevResult": {"a": 1}
    }  # fmt: skip
    assert [path.name for path in earlier.results.iterdir()] == ["net-another-eth0"]
    assert f"umount {earlier.netns}" in earlier.programs.runs() and not earlier.netns.exists()


def test_nothing_is_asked_where_there_were_none(earlier):
    containerd.retire_earlier()
    before = earlier.programs.runs()
    containerd.retire_earlier()
    assert earlier.programs.runs() == before


def test_what_was_interrupted_is_completed(earlier):
    whole = earlier.programs.read("ctr")
    earlier.programs.put("ctr", f'case "$*" in *"containers delete host"*) exit 1 ;; esac\n{whole}')
    with pytest.raises(NodeError):
        containerd.retire_earlier()
    earlier.programs.put("ctr", whole)
    containerd.retire_earlier()
    assert earlier.containers.read_text() == "" and not (earlier.record / "sandboxes").exists()
