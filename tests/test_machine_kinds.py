"""The two kinds of local machines: what they have in common, and how one is chosen."""

import json
import os
import shutil
import tempfile
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest

from generator import lock as locks
from generator import render, schema, status, topology
from providers.local import accelerator, kind, machine
from providers.local import record as records
from providers.local.adapter import Local
from providers.local.container import fit, root
from providers.local.home import ClusterFolder, cluster_folder
from tests import golden

NOBODY = 65534


def rendered(folder, section):
    """The quickstart for local machines with that section."""
    folder.mkdir()
    file = folder / "cluster.yaml"
    example = (golden.EXAMPLES / "quickstart" / "cluster.yaml").read_text()
    assert "local: {}" in example
    file.write_text(example.replace("local: {}", f"local: {section}"))
    definition, lock = schema.load(file), locks.read(golden.HERE / "quickstart.lock.yaml")
    machines = topology.lay_out(definition, lock.blocks)
    return render.tree(definition, lock, machines, golden.target(definition), golden.secrets(machines))


def test_both_kinds_get_the_same_release_and_user_data(tmp_path):
    vm, container = (rendered(tmp_path / kind, f"{{machines: {kind}}}") for kind in ("vm", "container"))
    assert vm.keys() == container.keys()
    assert [name for name in vm if vm[name] != container[name]] == ["applied.json", "terraform.tfvars.json"]
    values = [json.loads(tree["terraform.tfvars.json"]) for tree in (vm, container)]
    assert [each.pop("settings")["machines"] for each in values] == ["vm", "container"]
    assert values[0] == values[1]


LACKING = "the kernel of this computer has no dummy"


@pytest.fixture
def computer(monkeypatch, tmp_path):
    """A computer on which containers can be made, and whose kernel does not run weave."""
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(fit, "obstacles", lambda egress=False: ())
    monkeypatch.setattr(fit, "unfit_drivers", lambda: {"weave": LACKING})
    return monkeypatch


def definition(folder, driver, section):
    file = Path(folder) / "cluster.yaml"
    example = (golden.EXAMPLES / "quickstart" / "cluster.yaml").read_text().replace("local: {}", f"local: {section}")
    file.write_text(example.replace("spec:\n", f"spec:\n  network: {{driver: {driver}}}\n"))
    return schema.load(file)


@pytest.mark.parametrize(("section", "refused"), [("{machines: container}", True), ("{machines: vm}", False)])
def test_weave_in_containers_is_refused_where_the_kernel_does_not_run_it(computer, tmp_path, section, refused):
    named = definition(tmp_path, "weave", section)
    checks = [c for c in Local().preflight(named, topology.Topology(())) if c.subject == "network driver"]
    assert [check.needed and not check.ok for check in checks] == [True] * refused
    assert all(LACKING in check.detail and "machines: vm" in check.hint for check in checks)
    assert Local().unfit_drivers(named) == ({"weave": LACKING} if refused else {})


@pytest.mark.parametrize(("driver", "fits"), [("flannel", True), ("weave", False)])
def test_another_driver_is_not(computer, tmp_path, driver, fits):
    checks = Local().preflight(definition(tmp_path, driver, "{machines: container}"), topology.Topology(()))
    assert fits == all(check.subject != "network driver" for check in checks)


@pytest.mark.parametrize(
    ("accelerated", "obstacles", "chosen"),
    [("kvm", (), "vm"), ("tcg", (), "container"), ("tcg", ("no root",), "vm")],
)
def test_auto_takes_containers_where_no_guest_kernel_runs_and_they_can_be_made(
    computer, accelerated, obstacles, chosen
):
    computer.setattr(accelerator, "choose", lambda: accelerated)
    computer.setattr(fit, "obstacles", lambda egress=False: obstacles)
    assert kind.choose("auto", cluster_folder("c")) == chosen
    assert [kind.choose(wish, cluster_folder("c")) for wish in ("vm", "container")] == ["vm", "container"]


@pytest.mark.parametrize("there", ["vm", "container"])
def test_auto_keeps_to_the_kind_of_the_machines_that_are_there(computer, there):
    computer.setattr(accelerator, "choose", lambda: pytest.fail("asked"))
    values = {"name": "m", "role": "worker", "cpus": 1, "memory": 64, "disk": 1, "base_image": "", "network": None}
    values |= {"address": "", "disks": (), "egress": True, "accel": "auto", "forwards": {}, "ports": {}, "seed": ""}
    records.write(cluster_folder("c").machines / "m", records.Record(**values, kind=there))
    assert kind.choose("auto", cluster_folder("c")) == there


def test_a_machine_of_an_earlier_version_is_virtual():
    state = kind.read({"kind": None, "machines": None})
    assert state == {"kind": "vm", "machines": "vm"}
    assert kind.plan(state, {"kind": None, "machines": "auto"}, cluster_folder("c"))["kind"] == "vm"


@pytest.fixture
def outermost():
    """A folder that every user can enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to be another user")
def test_who_is_not_root_removes_a_machine_in_which_root_has_files(outermost, monkeypatch):
    """In a process of the user nobody, whose calls of root are served by this one, as sudo serves them."""
    folder = outermost / "clusters" / "c" / "machines" / "m"
    (folder / "stores" / "var").mkdir(parents=True)  # what an interrupted removal left: no record, no upper layer
    (folder / "stores" / "var" / "file").touch()
    for path in (folder, *folder.parents[:4]):
        os.chown(path, NOBODY, NOBODY)
    ask, asked = os.pipe()
    answered, answer = os.pipe()

    def served(verb, *words):
        os.write(asked, str(words[-1]).encode())
        os.read(answered, 1)

    monkeypatch.setattr(root, "call", served)
    for name in ("container", "vm"):
        kind.load(name)  # now, as the user nobody may not read what is imported
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            machine.Machine(ClusterFolder("c", folder.parents[1]), None)._remove(folder)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(asked)
    removed = os.read(ask, 1000).decode()
    shutil.rmtree(removed, ignore_errors=True)
    os.write(answer, b".")
    assert os.waitpid(child, 0)[1] == 0
    assert removed == str(folder)
    assert not folder.exists()


def test_a_console_tells_one_boot_from_the_next(tmp_path):
    console = tmp_path / records.CONSOLE
    console.write_text("anywhere: stage=ready t=9.0\n")
    started = []
    own = SimpleNamespace(start=lambda *what: started.append(status.stages(console.read_text())))
    machine._power_on(own, None, None, tmp_path)
    assert [said.stage for said in started] == [""]
