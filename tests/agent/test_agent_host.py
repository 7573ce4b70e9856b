"""The stage host: a machine's name, its settings and its packages, whatever Debian it started as."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from agent import apt, host, packages, settings
from agent.host import Host, NodeError
from releases import text

ARCHIVE = {"Packages": b"Package: docker.io\n", "install": b"docker.io\nipset\n", "docker.io_1_amd64.deb": b"deb"}


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_the_release_is_that_of_this_architecture(monkeypatch, machine, arch):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    images = {"other": {"etcd": {"id": "theirs"}}, arch: {"etcd": {"id": "ours"}}}
    found = host.release(json.dumps({"images": images, "packages": {"other": "cd", arch: "ab"}}))
    ids = {"etcd": ["theirs", "ours"]}
    assert found == {"images": {"etcd": {"id": "ours"}}, "image_ids": ids, "packages": "ab", "arch": arch}


def test_a_release_for_other_machines_is_refused(monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
    with pytest.raises(NodeError, match="no images for riscv64"):
        host.release(text("ha"))


@pytest.fixture
def named(tmp_path, monkeypatch, programs):
    for name in ("NAME", "CLOUD_INIT"):
        monkeypatch.setattr(host, name, tmp_path / "root" / name.lower())
    monkeypatch.setattr(host.socket, "gethostname", lambda: "ip-10-20-0-10")
    programs.put("anywhere-fetch", "echo etcd1")
    programs.put("hostnamectl")
    return programs


def test_a_machine_takes_its_name(named):
    host.take_name()
    assert named.runs() == ["anywhere-fetch machine/name", "hostnamectl set-hostname etcd1"]
    assert host.CLOUD_INIT.read_text() == "preserve_hostname: true\n"


def test_a_name_is_asked_for_once(named, monkeypatch):
    host.take_name()
    monkeypatch.setattr(host.socket, "gethostname", lambda: "etcd1")
    named.put("anywhere-fetch", "exit 1")
    host.take_name()
    assert len(named.runs()) == 2


@pytest.mark.parametrize("said", ["", "UPPER", "a b", "-a", "a-", "etcd1.example.com", "x" * 64])
def test_what_is_no_name_is_refused(named, said):
    named.put("anywhere-fetch", f"echo '{said}'")
    with pytest.raises(NodeError, match="not a valid host name"):
        host.take_name()
    assert not host.NAME.exists()


@pytest.fixture
def tree(tmp_path, monkeypatch, programs):
    """A machine with none of the settings; every service of it runs."""
    monkeypatch.setattr(settings, "ROOT", tmp_path / "root")
    for name in ("STUB", "RESOLV"):
        monkeypatch.setattr(settings, name, tmp_path / name.lower())
    programs.put("systemctl", '[ "$1" = show ] && echo active; exit 0')
    programs.put("systemd-tmpfiles")
    return programs


def files():
    return sorted(path.relative_to(settings.HOST) for path in settings.HOST.rglob("*") if path.is_file())


def restarted(machine):
    return [run.split()[2].removesuffix(".service") for run in machine.runs() if run.startswith("systemctl restart")]


def test_every_setting_is_put_and_read(tree):
    settings.ensure()
    assert files() == [path.relative_to(settings.ROOT) for path in sorted(settings.ROOT.rglob("*")) if path.is_file()]
    pods, docker = "anywhere-containerd", "docker"
    assert restarted(tree) == ["systemd-modules-load", "systemd-sysctl", "systemd-resolved", pods, docker]
    assert {"systemctl daemon-reload", "systemd-tmpfiles --create anywhere.conf"} <= set(tree.runs())


def test_the_agent_is_started_without_waiting_for_docker():
    """Cloud-init starts it after multi-user.target, which comes after each service that it wants by default."""
    unit = (settings.HOST / "etc/systemd/system/docker.service.d/anywhere.conf").read_text()
    assert {"DefaultDependencies=no", "Conflicts=shutdown.target", "Before=shutdown.target"} <= set(unit.splitlines())


def test_settings_that_are_there_cost_nothing(tree):
    settings.ensure()
    before = tree.runs()
    settings.ensure()
    assert tree.runs() == before


def test_only_what_reads_a_changed_setting_is_restarted(tree):
    settings.ensure()
    (settings.ROOT / "etc/docker/daemon.json").write_text("{}")
    before = len(tree.runs())
    settings.ensure()
    assert tree.runs()[before:] == [
        "systemctl show --property=ActiveState --value docker.service",
        "systemctl restart docker.service",
    ]


def test_what_is_not_installed_yet_is_not_restarted(tree):
    tree.put("systemctl", '[ "$1" = show ] && echo inactive; exit 0')
    settings.ensure()
    assert restarted(tree) == []


def test_a_setting_that_could_not_be_read_is_tried_again(tree):
    tree.put("systemctl", 'case "$*" in show*) echo active ;; "restart anywhere-containerd.service") exit 1 ;; esac')
    with pytest.raises(NodeError, match="containerd"):
        settings.ensure()
    tree.put("systemctl", '[ "$1" = show ] && echo active; exit 0')
    settings.ensure()
    assert restarted(tree)[-3:] == ["anywhere-containerd", "anywhere-containerd", "docker"]


@pytest.mark.parametrize("unit", ["systemd-modules-load.service", "systemd-sysctl.service"])
def test_a_container_that_may_not_change_its_hosts_kernel_goes_on(tree, unit):
    tree.put("systemctl", f'case "$*" in show*) echo active ;; "restart {unit}") exit 1 ;; esac')
    settings.ensure()
    assert files() == [path.relative_to(settings.ROOT) for path in sorted(settings.ROOT.rglob("*")) if path.is_file()]
    assert restarted(tree)[-1] == "docker"


def test_programs_ask_resolved(tree):
    settings.RESOLV.write_text("nameserver 192.0.2.1\n")
    settings.resolve_names()
    assert settings.RESOLV.resolve() == settings.STUB
    assert tree.runs() == ["systemctl enable --now systemd-resolved.service"]
    settings.STUB.touch()
    settings.resolve_names()
    assert len(tree.runs()) == 1


@pytest.fixture
def stock(tmp_path, monkeypatch, programs):
    """A machine without Docker; apt-get brings every command. `archive` is the checksum that the release gives."""
    monkeypatch.setattr(packages, "FOLDER", tmp_path / "var" / "folder")
    monkeypatch.setattr(apt, "JOURNAL", tmp_path / "var" / "journal")
    apt.JOURNAL.mkdir(parents=True)
    commands = tmp_path / "commands"
    monkeypatch.setattr(packages.shutil, "which", lambda name: (commands / name).exists() or None)
    tar = tmp_path / "archive.tar"
    with tarfile.open(tar, "w") as out:
        for name, data in ARCHIVE.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    programs.put("anywhere-fetch", f"cat {tar}")
    programs.put("systemctl")
    programs.put("dpkg")
    brought = f"mkdir -p {commands}; cd {commands}; touch {' '.join(packages.COMMANDS)}"
    programs.put("apt-get", f'case "$*" in *install*) {brought} ;; esac; exit 0')
    programs.archive = hashlib.sha256(tar.read_bytes()).hexdigest()
    return programs


def fetches(machine):
    return [run for run in machine.runs() if run.startswith("anywhere-fetch")]


def test_what_is_missing_is_installed_from_the_archive_alone(stock):
    packages.ensure(stock.archive)
    assert fetches(stock) == [f"anywhere-fetch packages/{stock.archive}.tar"]
    update, install = [run for run in stock.runs() if run.startswith("apt-get")]
    assert update.endswith(" update") and install.endswith(" install docker.io ipset")
    for run in (update, install):
        assert f"Dir::Etc::sourcelist={packages.FOLDER}/{stock.archive}/sources.list" in run
        assert "Dir::Etc::sourceparts=/dev/null" in run and "DPkg::Lock::Timeout=" in run
    assert "--no-install-recommends" in install and "DPkg::Options::=--force-confold" in install
    assert "systemctl mask --now apt-daily.timer apt-daily-upgrade.timer" in stock.runs()
    assert not packages.FOLDER.exists()


def test_a_machine_that_has_all_installs_nothing(stock):
    packages.ensure(stock.archive)
    before = stock.runs()
    packages.ensure(stock.archive)
    packages.ensure(None)
    assert stock.runs() == before


def test_an_archive_of_something_else_is_not_installed(stock):
    with pytest.raises(NodeError, match="is not 0000"):
        packages.ensure("0" * 64)
    assert not any(run.startswith("apt-get") for run in stock.runs())


def test_where_apt_fails_it_is_tried_again_with_what_was_fetched(stock):
    stock.put("apt-get", "echo could not get lock >&2; exit 100")
    for _ in range(2):
        with pytest.raises(NodeError, match="could not get lock"):
            packages.ensure(stock.archive)
    assert len(fetches(stock)) == 1


def test_an_installation_that_was_cut_short_goes_on(stock, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)  # all is unpacked, but not configured
    (packages.FOLDER / stock.archive).mkdir(parents=True)
    (packages.FOLDER / stock.archive / "install").write_text("docker.io\n")
    (apt.JOURNAL / "0001").touch()
    packages.ensure(stock.archive)
    assert "dpkg --force-confold --configure --pending" in stock.runs()
    assert stock.runs()[-1].endswith("install docker.io")
    assert not packages.FOLDER.exists()


def test_a_release_without_packages_says_what_is_missing(stock):
    with pytest.raises(NodeError, match="has no conntrack, and its release has no packages"):
        packages.ensure(None)


def test_packages_that_do_not_bring_all_are_said(stock):
    stock.put("apt-get")
    with pytest.raises(NodeError, match=r"did not install .*docker"):
        packages.ensure(stock.archive)
    assert Path(packages.FOLDER).exists()


NIC = '[{{"ifname": "eth0", "mtu": 1500, "addr_info": [{{"local": "{}", "prefixlen": {}}}]}}]'


@pytest.mark.parametrize(
    ("address", "prefix", "metadata", "host_loopback", "guarded"),
    [
        ("10.0.2.15", 24, "10.0.2.100", False, "10.0.2.0/24"),  # QEMU's user network
        ("10.0.2.15", 24, "10.0.2.100", True, "10.0.2.100/32"),
        ("10.20.0.42", 27, "169.254.169.254", False, "169.254.169.254/32"),
        ("10.20.0.42", 32, "169.254.169.254", True, "169.254.169.254/32"),
    ],
)
def test_containers_are_kept_from_what_is_for_the_machine_alone(
    programs, address, prefix, metadata, host_loopback, guarded
):
    programs.put("ip", f"echo '{NIC.format(address, prefix)}'")
    assert host.guarded(metadata, host_loopback) == [guarded]


def addresses(*found):
    links = enumerate(found, 1460)
    return json.dumps([{"mtu": mtu, "addr_info": [{"local": address}]} for mtu, address in links])


def test_a_machine_finds_its_address_and_how_large_packets_may_be_there(monkeypatch):
    monkeypatch.setattr(host, "run", lambda *_: addresses("127.0.0.1", "10.0.2.15", "10.20.4.1"))
    assert host._address_in("10.20.0.0/16") == ("10.20.4.1", 1462)
    with pytest.raises(NodeError, match=r"192\.168"):
        host._address_in("192.168.0.0/16")


@pytest.mark.parametrize(("name", "member"), [("etcd3", "etcd3"), ("master12", "etcd12")])
def test_a_members_name(name, member):
    assert Host(name, "etcd", "etcd", "", "", 1500).member == member


def test_a_program_that_fails_is_quoted():
    with pytest.raises(NodeError, match="exit 3: broken"):
        host.run("sh", "-c", "echo broken >&2; exit 3")


@pytest.mark.parametrize(("cost", "pause"), [(0.01, 0.5), (1.5, 6.0)])
def test_waiting_leaves_a_slow_machine_to_what_is_waited_for(monkeypatch, cost, pause):
    """The cost is that of one question, in seconds of a processor."""
    used, pauses = [0.0], []

    def ready():
        used[0] += cost
        return len(pauses) == 3

    monkeypatch.setattr(host.os, "times", lambda: (0.0, 0.0, used[0], 0.0, 0.0))
    monkeypatch.setattr(host.time, "sleep", pauses.append)
    host.wait("the API", ready, 60)
    assert pauses == pytest.approx([pause] * 3)
