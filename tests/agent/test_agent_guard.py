"""Pods must not ask the metadata service for the machine's keys, nor reach what else is for the machine alone."""

import re
import shlex
import subprocess

import pytest
from agent import guard, service

NETWORK = "10.0.2.0/24"
CHAIN = [
    f"-A {guard.CHAIN} -d {NETWORK} -p tcp -m tcp ! --dport 53 -j DROP",
    f"-A {guard.CHAIN} -d {NETWORK} -p udp -m udp ! --dport 53 -j DROP",
]
JUMP = f"-A PREROUTING ! -i lo -m addrtype ! --dst-type LOCAL -m conntrack --ctdir ORIGINAL -j {guard.CHAIN}"


def installed():
    return (service.UNITS / guard.UNIT).read_text()


def starts(text):
    """The commands of a unit's ExecStart lines, each as words."""
    return [shlex.split(line) for line in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)]


@pytest.fixture
def machine(tmp_path, monkeypatch, programs):
    """The rules are in the kernel's hands: `iptables -C` says whether a restart of the unit has put them there."""
    monkeypatch.setattr(service, "UNITS", tmp_path / "units")
    monkeypatch.setattr(guard, "RULES", tmp_path / "guard.rules")
    wants, in_force = tmp_path / "units" / "docker.service.wants", tmp_path / "in-force"
    programs.put("iptables", f"test -e {in_force}")
    programs.put(
        "systemctl",
        f"case $1 in enable) mkdir -p {wants}; touch {wants}/$3 ;; restart) touch {in_force} ;; esac",
    )
    programs.in_force = in_force
    return programs


def restarts(machine):
    return machine.runs().count(f"systemctl restart {guard.UNIT}")


def test_the_rules_are_there_once_and_at_each_boot(machine):
    for _ in range(2):
        guard.ensure([NETWORK])
    assert restarts(machine) == 1
    before = restarts(machine)
    guard.ensure([NETWORK])
    assert restarts(machine) == before
    assert machine.runs().count(f"systemctl enable --no-reload {guard.UNIT}") == 1


def test_rules_that_someone_removed_are_put_back(machine):
    guard.ensure([NETWORK])
    before = restarts(machine)
    machine.in_force.unlink()
    guard.ensure([NETWORK])
    assert restarts(machine) == before + 1


def test_other_networks_reach_the_kernel(machine):
    guard.ensure([NETWORK])
    before = restarts(machine)
    guard.ensure(["169.254.169.254/32"])
    assert restarts(machine) == before + 1
    assert NETWORK not in guard.RULES.read_text()


def test_it_comes_before_any_container(machine):
    guard.ensure([NETWORK])
    runtimes = {"docker.service", "containerd.service", "anywhere-containerd.service"}
    for key in ("Before", "WantedBy"):
        assert runtimes <= set(re.search(rf"^{key}=(.*)$", installed(), re.MULTILINE)[1].split())
    assert not re.search(r"^RequiredBy=|^PartOf=", installed(), re.MULTILINE)  # a restart would take Docker along


def test_the_kernel_takes_the_rules_of_the_unit(machine, monkeypatch):
    """In a network namespace of its own, twice, with the real iptables."""
    guard.ensure([NETWORK])
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    line = " && ".join([*map(shlex.join, starts(installed()))] * 2 + ["iptables -t mangle -S"])
    done = subprocess.run(["unshare", "--net", "sh", "-c", line], capture_output=True, text=True)
    if done.returncode and ("unshare" in done.stderr or "not found" in done.stderr):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert [rule for rule in done.stdout.splitlines() if rule.startswith("-A")] == [JUMP, *CHAIN]


# A machine at 10.0.2.15, QEMU's user network at 10.0.2.2, and a pod behind the machine.
LAB = """
set -eu
mkdir -p /run/netns; mount -t tmpfs none /run/netns
ip link set lo up
ip netns add outside; ip netns add pod
ip link add nic type veth peer name host netns outside
ip link add bridge type veth peer name pod netns pod
ip address add 10.0.2.15/24 dev nic; ip link set nic up
ip address add 10.32.0.1/24 dev bridge; ip link set bridge up
ip -n outside address add 10.0.2.2/24 dev host; ip -n outside link set host up; ip -n outside link set lo up
ip -n outside route add 10.32.0.0/24 via 10.0.2.15
ip -n pod address add 10.32.0.2/24 dev pod; ip -n pod link set pod up; ip -n pod route add default via 10.32.0.1
sysctl -qw net.ipv4.ip_forward=1
ip netns exec outside python3 -m http.server --bind 10.0.2.2 80 >/dev/null 2>&1 &
servers=$!
ip netns exec pod python3 -m http.server --bind 10.32.0.2 80 >/dev/null 2>&1 &
servers="$servers $!"
iptables -t nat -A PREROUTING -d 10.0.2.15 -p tcp --dport 6443 -j DNAT --to-destination 10.32.0.2:80
ask() { url=$1; shift; "$@" curl --silent --output /dev/null --max-time 3 "http://$url/" && echo yes || echo no; }
until [ "$(ask 10.0.2.2 env)" = yes ] && [ "$(ask 10.32.0.2 env)" = yes ]; do :; done
ask 10.0.2.2 ip netns exec pod
RULES
ask 10.0.2.2 env
ask 10.0.2.15:6443 ip netns exec outside
ask 10.0.2.2 ip netns exec pod
kill $servers
"""


def test_the_machine_reaches_what_its_pods_do_not_and_forwards_to_them(machine, monkeypatch):
    """With the kernel's own packets: answers go to addresses of the guarded network, in both directions."""
    guard.ensure([NETWORK])
    monkeypatch.setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
    script = LAB.replace("RULES", "\n".join(map(shlex.join, starts(installed()))))
    line = ["unshare", "--net", "--mount", "sh", "-c", script]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode and ("unshare" in done.stderr or "not found" in done.stderr):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["yes", "yes", "yes", "no"]
