"""A machine's proxy: whoever reads it has it, and no running container pays for that."""

import subprocess

import pytest
from agent import proxy, settings
from agent.docker import Docker

WANTED = {
    "https_proxy": "http://proxy:3128",
    "HTTPS_PROXY": "http://proxy:3128",
    "no_proxy": ".svc",
    "NO_PROXY": ".svc",
}


@pytest.fixture
def machine(tmp_path, programs, engine, monkeypatch):
    """containerd and Docker as processes; a restart of one lets it read the file, as systemd does."""
    monkeypatch.setattr(proxy, "FILE", tmp_path / "etc" / "proxy.env")
    monkeypatch.setattr(proxy, "PROC", tmp_path)
    for pid in ("1", "2"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "environ").write_text("PATH=/bin\0")
    pid = "case $* in *containerd*) p=1 ;; *) p=2 ;; esac"
    read = f"tr -d '\"' <{proxy.FILE} | tr '\\n' '\\0'"
    programs.put(
        "systemctl",
        f'{pid}\ncase "$*" in *MainPID*) echo $p ;; *ActiveState*) echo active ;; '
        f"restart*) (printf 'PATH=/bin\\0'; {read}) >{tmp_path}/$p/environ ;; esac",
    )
    programs.environ = lambda pid: (tmp_path / pid / "environ").read_text().split("\0")
    programs.restarts = lambda: [run.split()[2] for run in programs.runs() if run.startswith("systemctl restart")]
    return programs


def test_a_machine_without_a_proxy_is_asked_nothing(machine):
    proxy.ensure({"proxy": {}})
    assert machine.runs() == [] and not proxy.FILE.exists()


def test_both_runtimes_get_it_once(machine):
    for _ in range(2):
        proxy.ensure({"proxy": WANTED})
    assert machine.restarts() == ["anywhere-containerd.service", "docker.service"]
    for pid in ("1", "2"):
        assert {"https_proxy=http://proxy:3128", "NO_PROXY=.svc"} <= set(machine.environ(pid))


def test_docker_waits_for_its_containers(machine, engine):
    engine.images["sha256:1"] = "sha256:1"
    Docker().create("etcd1", {"Image": "sha256:1", "Labels": {}})
    Docker().start("etcd1")
    proxy.ensure({"proxy": WANTED})
    assert machine.restarts() == ["anywhere-containerd.service"]
    engine.containers.clear()
    proxy.ensure({"proxy": WANTED})
    assert machine.restarts() == ["anywhere-containerd.service", "docker.service"]


def test_one_that_started_with_it_is_left_alone(machine, tmp_path):
    for pid in ("1", "2"):
        (tmp_path / pid / "environ").write_text("".join(f"{name}={value}\0" for name, value in WANTED.items()))
    proxy.ensure({"proxy": WANTED})
    assert machine.restarts() == []


def test_a_proxy_that_is_removed_leaves_nothing(machine):
    proxy.ensure({"proxy": WANTED})
    proxy.ensure({"proxy": {}})
    assert [name for pid in ("1", "2") for name in machine.environ(pid) if "proxy" in name.lower()] == []
    assert not proxy.FILE.exists()
    before = machine.runs()
    proxy.ensure({"proxy": {}})
    assert machine.runs() == before


def test_what_does_not_run_yet_starts_with_it(machine):
    machine.put("systemctl", "echo 0")
    proxy.ensure({"proxy": WANTED})
    assert proxy.FILE.exists() and machine.restarts() == []


def test_a_shell_and_the_generator_write_the_same():
    from generator import node_proxy

    assert node_proxy.environment_file(WANTED) == proxy.text(WANTED)
    done = subprocess.run(
        ["sh", "-c", f"{proxy.text(WANTED)}echo $https_proxy $no_proxy"], capture_output=True, text=True
    )
    assert done.stdout == "http://proxy:3128 .svc\n"


@pytest.mark.parametrize(
    "unit", ["host/etc/systemd/system/docker.service.d/anywhere.conf", "units/anywhere-containerd.service"]
)
def test_each_runtime_reads_the_file(unit):
    assert "EnvironmentFile=-/etc/anywhere/proxy.env\n" in (settings.HOST.parent / unit).read_text()
