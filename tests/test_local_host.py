"""What the local provider makes of this host: folders, ports, seeds, QEMU's command line."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from test_topology import STAR_WARS

from generator.definition import Size
from generator.errors import UserError
from generator.topology import Machine
from providers.local import host, mirror, network, ports, process, qemu, seed
from providers.local import record as records
from providers.local.accelerator import Verdict
from providers.local.adapter import Local
from providers.local.home import cluster_folder, write_json
from providers.local.record import Record


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYWHERE_ACCEL", "tcg")
    return tmp_path / "home"


def record(**other: object) -> Record:
    values = {"name": "m", "role": "worker", "cpus": 1, "memory": 64, "disk": 1, "base_image": "a" * 64}
    values |= {"network": None, "address": "", "disks": (), "egress": True, "accel": "tcg", "seed": ""}
    return Record(**{**values, "forwards": {"ssh": 22}, "ports": {"ssh": 20000}, **other})


def test_mirror_is_the_same_everywhere_and_idempotent(tmp_path: Path) -> None:
    roots = [mirror.install(tmp_path / name) for name in ("one", "two")]
    scripts = [
        root / "anywhere.local/anywhere/local/0.1.0/linux_amd64/terraform-provider-local_v0.1.0" for root in roots
    ]
    assert len({hashlib.sha256(script.read_bytes()).digest() for script in scripts}) == 1
    before = scripts[0].stat()
    mirror.install(tmp_path / "one")
    assert scripts[0].stat().st_mtime_ns == before.st_mtime_ns
    assert os.access(scripts[0], os.X_OK)


def test_mirror_finds_the_provider_without_path(tmp_path: Path) -> None:
    root = mirror.install(tmp_path)
    script = root / "anywhere.local/anywhere/local/0.1.0/linux_amd64/terraform-provider-local_v0.1.0"
    env = {"PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run([script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("This program is a Terraform provider.")


def test_mirror_follows_a_moved_installation(tmp_path: Path) -> None:
    link = tmp_path / "anywhere" / "bin" / mirror.PROGRAM
    link.parent.mkdir(parents=True)
    link.symlink_to("/gone")
    mirror.install(tmp_path)
    assert link.exists()


def test_ports_are_kept_and_never_given_twice(home: Path) -> None:
    with ports.reserving():
        first = ports.choose(["ssh", "api"], {})
        write_json(home / "clusters/c/machines/m/machine.json", {"ports": first})
        second = ports.choose(["ssh"], {})
    assert not set(first.values()) & set(second.values())
    assert ports.choose(["ssh"], {"ssh": 1234}) == {"ssh": 1234}


def test_ports_in_use_are_left_alone() -> None:
    (free,) = ports.choose(["ssh"], {}).values()
    with socket.create_server(("127.0.0.1", free)):
        assert ports.choose(["ssh"], {})["ssh"] != free
        with pytest.raises(UserError, match=f"Port {free} .* ssh of machine m"):
            ports.check_free("m", {"ssh": free})


def test_a_port_that_is_just_being_given_back_is_waited_for() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    threading.Timer(0.2, server.close).start()
    ports.check_free("m", {"ssh": port})
    with socket.create_server(("127.0.0.1", port)), pytest.raises(UserError, match=f"Port {port} .* is in use"):
        ports.check_free("m", {"ssh": port})


def test_commas_in_paths_stay_in_their_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYWHERE_HOME", str(tmp_path / "a,b=c d'e"))
    cluster = cluster_folder("c")
    (disk := cluster.disks / "d.qcow2").parent.mkdir(parents=True)
    disk.touch()
    line = qemu.command_line(cluster, record(disks=("d",)), tmp_path, None)
    drive = next(word for word in line if "d.qcow2" in word)
    assert "a,,b=c d'e" in drive
    user = next(word for word in line if word.startswith("user,"))
    assert ",a,b" not in user.replace(",,", "")


def test_without_egress_only_the_forwards_stay(tmp_path: Path) -> None:
    line = qemu.command_line(cluster_folder("c"), record(egress=False), tmp_path, None)
    user = next(word for word in line if word.startswith("user,"))
    assert ",restrict=on," in user
    assert "hostfwd=tcp:127.0.0.1:20000-:22" in user


def test_networks_of_different_clusters_do_not_meet() -> None:
    sockets = {network._choose_socket(cluster_folder(name), "machines") for name in ("a", "b", "c")}
    assert len(sockets) == 3


def test_a_machine_without_its_network_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="there is no network n"),
        qemu.plugged(cluster_folder("c"), record(network="n")),
    ):
        pass


@pytest.mark.skipif(not shutil.which("xorriso"), reason="xorriso reads the image")
def test_seed_is_what_cloud_init_looks_for(tmp_path: Path) -> None:
    files = {
        "meta-data": seed.meta_data("i", "m", ["ssh-ed25519 AAAA"]),
        "network-config": seed.network_config("02:00:00:00:00:01", "02:00:00:00:00:02", "10.20.1.1/16"),
        "user-data": "#cloud-config\n" + "# ü\n" * 5000,
    }
    (tmp_path / "seed.iso").write_bytes(seed.image(files))
    words = [
        "-osirrox",
        "on",
        "-indev",
        str(tmp_path / "seed.iso"),
        "-pvd_info",
        "-extract",
        "/",
        str(tmp_path / "out"),
    ]
    said = subprocess.run(["xorriso", *words], check=True, capture_output=True, text=True)
    assert "Volume Id    : cidata" in said.stdout + said.stderr
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == files


def test_keys_reach_cloud_init_as_they_are() -> None:
    keys = ['ssh-ed25519 AAAA \\ " : # \u00e9\u200d\U0001f680', "ssh-rsa BBBB"]
    read = YAML(typ="safe").load(seed.meta_data("m-1", "m", keys))
    assert read == {"instance-id": "m-1", "local-hostname": "m", "public-keys": keys}
    assert YAML(typ="safe").load(seed.meta_data("m-1", "m", []))["public-keys"] == []


def test_another_process_in_the_folder_is_no_machine(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE) as other:
        (tmp_path / process.PIDFILE).write_text(str(other.pid))
        assert process.find(tmp_path) is None
        process.kill(tmp_path)
        assert other.poll() is None
        other.communicate(b"\n")


def test_nothing_is_observed_and_nothing_left_of_no_cluster() -> None:
    assert Local().observe(replace(STAR_WARS, name="absent")) == ()
    assert Local().leftovers(replace(STAR_WARS, name="absent")) == ()


def test_leftovers_are_named(home: Path) -> None:
    write_json(home / "clusters/c/disks/d.json", {})
    (home / "clusters/c/machines/m").mkdir(parents=True)
    left = Local().leftovers(replace(STAR_WARS, name="c"))
    assert len(left) == 2
    assert any("machine m" in line for line in left)


def test_checks_of_the_host_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    size = Size("m", cpus=1, memory=4096, disk=10)
    machine = Machine("m", "worker", 1, "w", size, "amd64", "10.20.4.1", {}, (), ())
    monkeypatch.setattr(host, "available_memory", lambda: 2000)
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    checks = {check.subject: check for check in (*host.virtual((), first=True), *host.checks([machine]))}
    for subject in ("qemu-system-x86_64", "qemu-img", "memory"):
        assert not checks[subject].ok
        assert checks[subject].hint
    assert "apt-get install qemu-utils" in checks["qemu-img"].hint
    monkeypatch.setattr(host, "available_memory", lambda: 3000)
    assert {check.subject: check for check in host.checks([machine])}["memory"].ok


@pytest.mark.parametrize(
    ("accelerator", "wished", "first", "warns"),
    [("tcg", False, True, True), ("tcg", False, False, False), ("tcg", True, True, False), ("kvm", False, True, False)],
)
def test_who_begins_a_cluster_of_emulated_machines_hears_of_containers(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, wished: bool, first: bool, warns: bool
) -> None:
    """They take half an hour on a slow computer. A cluster that is there keeps its kind."""
    verdict = Verdict(accelerator, "no /dev/kvm", wished)
    monkeypatch.setattr(host.accelerator, "judge", lambda: verdict)
    (check,) = (check for check in host.virtual((), first=first) if check.subject == "accelerator")
    assert check.ok is not warns and not check.needed
    assert "no /dev/kvm" in check.detail and ("machines: container" in check.hint) is warns


def test_machines_and_disks_are_there_where_their_records_are() -> None:
    cluster = cluster_folder("star-wars")
    assert Local().present(STAR_WARS) == ()
    records.write(cluster.machines / "etcd1", record(name="etcd1"))
    (cluster.machines / "unfinished").mkdir()
    write_json(cluster.disks / "etcd1-etcd.json", {"serial": "etcd", "size": 8, "kind": "vm"})
    (cluster.disks / "etcd1-etcd").touch()
    assert Local().present(STAR_WARS) == ("machine etcd1", "disk etcd1-etcd")
    records.write(cluster_folder("others").machines / "etcd1", record(name="etcd1"))
    assert len(Local().present(STAR_WARS)) == 2
