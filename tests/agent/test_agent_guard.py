"""Pods must not ask the metadata service for the machine's keys."""

import re
import shlex
import subprocess

import pytest
from agent import guard, service

ADDRESS = "10.0.2.100"
RULE = f"PREROUTING ! -i lo -d {ADDRESS}/32 -p tcp ! --dport 53 -j DROP"


def installed():
    return (service.UNITS / guard.UNIT).read_text()


def start(text):
    """The words of a unit's ExecStart."""
    return shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1])


@pytest.fixture
def machine(tmp_path, monkeypatch, programs):
    """iptables keeps its rules in a file; systemctl starts the unit and enables it."""
    monkeypatch.setattr(service, "UNITS", tmp_path / "units")
    rules, wants = tmp_path / "rules", tmp_path / "units" / "docker.service.wants"
    rules.touch()
    programs.put(
        "iptables",
        f'action=$4; shift 4; case $action in -C) grep -qx -- "$*" {rules} ;; -I) echo "$*" >>{rules} ;; esac',
    )
    unit = tmp_path / "units" / guard.UNIT
    programs.put(
        "systemctl",
        f"case $1 in enable) mkdir -p {wants}; touch {wants}/$2 ;; "
        f"restart) eval \"$(sed -n 's/^ExecStart=//p' {unit})\" ;; esac",
    )
    programs.rules = rules
    return programs


def test_the_rule_is_there_once_and_at_each_boot(machine):
    for _ in range(2):
        guard.ensure(ADDRESS)
    assert machine.rules.read_text() == f"{RULE}\n"
    assert machine.runs().count(f"systemctl enable {guard.UNIT}") == 1


def test_a_rule_that_someone_removed_is_put_back(machine):
    guard.ensure(ADDRESS)
    machine.rules.write_text("")
    guard.ensure(ADDRESS)
    assert machine.rules.read_text() == f"{RULE}\n"


def test_it_comes_before_any_container(machine):
    guard.ensure(ADDRESS)
    assert re.search(r"^Before=docker.service containerd.service$", installed(), re.MULTILINE)
    wanted_by = re.search(r"^WantedBy=(.*)$", installed(), re.MULTILINE)[1].split()
    assert {"docker.service", "containerd.service"} <= set(wanted_by)
    assert not re.search(r"^RequiredBy=|^PartOf=", installed(), re.MULTILINE)  # a restart would take Docker along


def test_the_kernel_takes_the_rule_of_the_unit(machine, monkeypatch):
    """In a network namespace of its own, twice, with the real iptables."""
    guard.ensure(ADDRESS)
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    words = start(installed())
    line = " && ".join([shlex.join(words)] * 2 + ["iptables -t raw -S PREROUTING"])
    done = subprocess.run(["unshare", "--net", "sh", "-c", line], capture_output=True, text=True)
    if done.returncode and ("unshare" in done.stderr or "iptables: not found" in done.stderr):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"-d {ADDRESS}/32 ! -i lo -p tcp") == 1
