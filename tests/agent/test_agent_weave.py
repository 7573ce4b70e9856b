"""Weave's driver, as far as it goes without a kernel: what it tells Docker, what it writes."""

import json
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from agent import bundle
from agent import kernel as host_kernel
from agent.docker import Docker
from agent.network import weave
from agent.network.weave import client, interfaces, proxy, router
from hypothesis import given
from hypothesis import strategies as st
from releases import release
from role_container import ETCD, MASTER, WORKER, joined


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_peer_names_are_unique_by_address(one, other):
    name = router.peer_name(str(one))
    octets = [int(part, 16) for part in name.split(":")]
    assert len(octets) == 6
    assert octets[0] & 0b11 == 0b10  # locally administered, one machine's
    assert IPv4Address(bytes(octets[2:])) == one
    assert (name == router.peer_name(str(other))) == (one == other)


def launched(host, monkeypatch, *, share=False, **network):
    """The router's Docker settings."""
    monkeypatch.setattr(bundle, "secrets", lambda release, component: {"password": f"secret-of-{component}"})
    monkeypatch.setattr(router, "docker_bridge", lambda: "172.17.0.1")
    found = release("star-wars")
    found["network"] |= network
    return router.container(found, host, share, "weavevolumes-2.9.0")


FOUNDERS = ["10.20.0.10", "10.20.0.42", "10.20.0.74", "10.20.1.10"]


def test_machines_with_etcd_share_the_addresses_among_themselves(monkeypatch):
    settings = launched(ETCD, monkeypatch, share=True)
    arguments = settings["Cmd"]
    seeds = ",".join(f"02:00:0a:14:{end}" for end in ("00:0a", "00:2a", "00:4a"))
    assert f"--ipalloc-init=seed={seeds}" in arguments
    assert arguments[-3:] == ["10.20.0.10", "10.20.0.74", "10.20.1.10"]
    assert "--dns-listen-address=172.17.0.1:53" in arguments
    assert "WEAVE_PASSWORD=secret-of-weave" in settings["Env"] and "IPTABLES_BACKEND=nft" in settings["Env"]
    assert "secret-of-weave" not in " ".join(arguments)
    assert settings["HostConfig"]["RestartPolicy"]["Name"] == "always"


@pytest.mark.parametrize("there", [True, False])
def test_a_router_whose_kernel_has_no_datapath_is_told(monkeypatch, there):
    """It would find out, but refuse to start a second time, as its bridge then is of another kind than the default."""
    monkeypatch.setattr(host_kernel, "has_datapath", lambda: there)
    assert ("--no-fastdp" in launched(MASTER, monkeypatch)["Cmd"]) is not there


@pytest.mark.parametrize(
    ("underlay", "encryption", "mtu"),
    [(1500, True, 1376), (1460, True, 1340), (1460, False, 1376), (9001, True, 1376), (1400, False, 1350)],
)
def test_packets_fit_into_those_between_machines(monkeypatch, underlay, encryption, mtu):
    """Else Weave would carry them through its own process instead of the kernel."""
    settings = launched(replace(MASTER, mtu=underlay), monkeypatch, encryption=encryption)
    assert f"--mtu={mtu}" in settings["Cmd"]


@pytest.mark.parametrize("host", [replace(MASTER, name="master2", address="10.20.1.42"), WORKER])
def test_a_machine_that_came_later_asks_the_first_for_addresses(monkeypatch, host):
    """Two new masters would else agree to begin a network of their own while the first is off."""
    arguments = launched(host, monkeypatch)["Cmd"]
    assert "--ipalloc-init=observer" in arguments and "--expect-npc" in arguments
    assert arguments[-4:] == FOUNDERS


def test_machines_without_pods_wait_for_no_policies(monkeypatch):
    arguments = launched(ETCD, monkeypatch)["Cmd"]
    assert "--expect-npc" not in arguments
    assert "10.20.0.42" not in arguments


def test_no_password_where_the_network_is_private(monkeypatch):
    assert not any("WEAVE_PASSWORD" in line for line in launched(MASTER, monkeypatch, encryption=False)["Env"])


def test_role_containers_go_through_the_proxy():
    network = weave.driver(release("star-wars"), MASTER)
    assert isinstance(network.engine({"network": "cluster"}), proxy.Proxy)
    assert not isinstance(network.engine({"network": "host"}), proxy.Proxy)


def test_a_role_container_is_let_pass_as_soon_as_it_is_started(engine, kernel, monkeypatch):
    """A member of etcd that joins asks the others before it is healthy."""
    monkeypatch.setattr(client, "call", lambda method, path: {"/ip/id1": "10.40.0.1/12\n"}[path])
    monkeypatch.setattr(proxy, "SOCKET", Docker()._path)
    engine.containers["etcd2"] = {"Id": "id1", "settings": {"Labels": {}, "Image": ""}, "running": False, "files": b""}
    weave.driver(release("star-wars"), MASTER).engine({"network": "cluster"}).start("etcd2")
    assert engine.containers["etcd2"]["running"]
    assert kernel()[0] == ["10.40.0.1"]


LINKS = [
    {"ifname": "vethwepl4242", "link_netnsid": 1},
    {"ifname": "vethwepl3183", "link_netnsid": 2},
    {"ifname": "vethwepl2732", "link_netnsid": 3},
    {"ifname": "vethweplae25360", "link_netnsid": 6},
    {"ifname": "vethwepl1234567", "link_netnsid": 7},  # of a pod whose identifier happens to have no letter
    {"ifname": "veth5c63b40", "link_netnsid": 1},
    {"ifname": "vethwe-bridge"},
]


@pytest.fixture
def ended(engine, programs, monkeypatch):
    """A machine whose router keeps the interfaces of two role containers that have ended, STALE; only one runs."""
    names = [{"name": "cni-6e6f", "id": 7}, {"name": "cni-fec1", "id": 6}, {"name": "another"}]
    programs.put("ip", f"case $2 in netns) echo '{json.dumps(names)}' ;; -details) echo '{json.dumps(LINKS)}' ;; esac")
    monkeypatch.setattr(client, "call", lambda method, path: "")
    for name, running in (("kube-apiserver", True), ("kube-apiserver-before", False), ("etcd1", False)):
        settings = {"Labels": {}, "Image": ""}
        engine.containers[name] = {"Id": f"id-{name}", "settings": settings, "running": running, "files": b""}


STALE = ["ip link delete vethwepl2732", "ip link delete vethwepl3183"]


def test_what_has_ended_answers_no_more_when_a_container_starts(ended, kernel, programs, monkeypatch):
    """The new container may get its address."""
    monkeypatch.setattr(proxy, "SOCKET", Docker()._path)
    started = []
    monkeypatch.setattr(Docker, "start", lambda self, name: started.extend([name, *programs.runs()]))
    weave.driver(release("star-wars"), MASTER).engine({"network": "cluster"}).start("etcd1")
    assert started[0] == "etcd1"
    assert [run for run in started if "delete" in run] == STALE


def test_what_crashed_answers_no_more_while_another_machine_is_waited_for(ended, programs):
    """Docker starts it again with the address that it had."""
    weave.driver(release("quickstart"), MASTER).repair()
    assert [run for run in programs.runs() if "delete" in run] == STALE


def test_nothing_has_ended_on_a_new_machine(engine, programs):
    programs.put("ip")  # which writes nothing where it finds nothing
    interfaces.remove_stale()
    assert [run.split()[1] for run in programs.runs()] == ["-json", "-json"]


def test_a_container_tells_its_own_address(programs, monkeypatch):
    """The command is run by a real shell, with an `ip` that answers as in the container."""
    settings = joined(weave.driver(release("star-wars"), MASTER))
    assert settings["Hostname"] == "kube-apiserver.weave.local"
    line = "18: ethwe    inet 10.40.0.7/12 brd 10.47.255.255 scope global ethwe"
    programs.put("ip", f"echo '{line}'")
    programs.put("hyperkube")
    from agent.host import run

    run(*settings["Entrypoint"], *settings["Cmd"])
    assert programs.runs()[-1] == "hyperkube kube-apiserver --advertise-address=10.40.0.7"


@pytest.fixture
def kernel(tmp_path, programs):
    """An ipset that remembers and an iptables that puts rules first, as files."""
    members, rules = tmp_path / "members", tmp_path / "rules"
    members.touch()
    rules.touch()
    programs.put(
        "ipset",
        f'case $1 in save) sed "s/^/add anywhere-roles /" {members} ;; add) echo $3 >>{members} ;; '
        f'del) sed -i "/^$3$/d" {members} ;; esac',
    )
    programs.put(
        "iptables",
        f"case $2 in -S) echo '-P FORWARD ACCEPT'; cat {rules} ;; "
        f'-I) shift 4; echo "-A FORWARD $*" | cat - {rules} >{rules}.new; mv {rules}.new {rules} ;; esac',
    )
    return lambda: (sorted(members.read_text().split()), rules.read_text().splitlines())


def test_only_role_containers_pass_the_policies(engine, kernel, monkeypatch, turns):
    addresses = {"id1": "10.40.0.1/12", "id2": "10.40.0.2/12 10.40.0.3/12", "pod": "10.40.0.9/12"}
    monkeypatch.setattr(client, "call", lambda method, path: addresses[path.removeprefix("/ip/")])
    for ident in addresses:
        labels = {"anywhere.spec": "x"} if ident != "pod" else {}
        engine.containers[ident] = {"Id": ident, "settings": {"Labels": labels}, "running": True, "files": b""}
    network = weave.driver(release("star-wars"), MASTER)
    network.settle(turns)
    assert kernel()[0] == ["10.40.0.1", "10.40.0.2", "10.40.0.3"]
    rule = "-A FORWARD -m set --match-set anywhere-roles {} -j ACCEPT"
    assert kernel()[1] == [rule.format("src"), rule.format("dst")]
    # What a container that is gone had may be a pod's next.
    engine.containers["id2"]["running"] = False
    network.settle(turns)
    assert kernel() == (["10.40.0.1"], [rule.format("src"), rule.format("dst")])


def test_the_host_has_its_address_before_anything_uses_it(programs, monkeypatch):
    asked = []
    monkeypatch.setattr(client, "call", lambda *call: asked.append(call) or "10.40.0.5/12\n")
    assert weave.driver(release("star-wars"), MASTER)._expose() == "10.40.0.5/12"
    assert asked == [
        ("POST", "/ip/weave:expose"),
        ("POST", "/expose/10.40.0.5/12"),
        ("PUT", "/name/weave:expose/10.40.0.5", "fqdn=master1.weave.local"),
    ]


def test_packets_of_the_cluster_never_leave_by_the_default_route(programs):
    programs.put("ip")
    weave.driver(release("star-wars"), MASTER)._route("10.40.0.5/12")
    assert programs.runs() == [
        "ip route replace 10.96.0.0/16 dev weave src 10.40.0.5",
        "ip route replace unreachable 10.32.0.0/12 metric 4096",
        "ip route replace unreachable 10.96.0.0/16 metric 4096",
    ]


PEER = "02:00:0a:14:04:01"


class Router:
    """Weave's interface, where time goes by as somebody waits; `shares` is what it says at each second."""

    def __init__(self, *shares):
        self.shares, self.seconds, self.deleted = shares, 0, []

    def call(self, method, path, body=None, **headers):
        if method == "DELETE":
            return self.deleted.append((path, self.seconds))
        if path == "/status":
            return "up"
        assert (path, headers) == ("/report", {"Accept": "application/json"})
        others = {"Peer": "02:00:0a:14:01:01", "Nickname": "master1", "IsKnownPeer": True}
        now = self.shares[min(self.seconds, len(self.shares) - 1)]
        mine = [] if now is None else [{"Peer": PEER, "Nickname": "worker-general-1", "IsKnownPeer": now}]
        return json.dumps({"IPAM": {"Entries": [others, *mine, *mine]}})

    def monotonic(self):
        return float(self.seconds)

    def sleep(self, seconds):
        self.seconds += 1


def told(monkeypatch, *shares):
    found = Router(*shares)
    monkeypatch.setattr(client, "call", found.call)
    monkeypatch.setattr(weave, "time", found)
    return found


@pytest.mark.parametrize(
    ("shares", "taken"),
    [
        ([None], False),  # it gave its addresses away itself
        ([True] * 5 + [None], False),
        ([True] * 5 + [False] * 10 + [None], False),  # what it gave away was heard of late
        ([True] * 5 + [False], True),
        ([False], True),
        ([True], False),  # it did not go
    ],
)
def test_the_addresses_of_a_peer_are_taken_only_once_it_is_gone_for_good(monkeypatch, shares, taken):
    found = told(monkeypatch, *shares)
    weave.driver(release("star-wars"), MASTER).forget("worker-general-1")
    assert [path for path, _ in found.deleted] == ([f"/peer/{PEER}"] if taken else [])
    for _, second in found.deleted:
        assert second - shares.count(True) >= weave.GOSSIP_SECONDS


def test_a_machine_that_leaves_gives_its_addresses_away_and_begins_afresh(engine, monkeypatch):
    for name in ("weave", "weavedb", "weavevolumes-2.9.0"):
        engine.containers[name] = {"Id": name, "settings": {}, "running": True, "files": b""}
    found = told(monkeypatch, True)
    weave.driver(release("star-wars"), WORKER).leave()
    assert [path for path, _ in found.deleted] == ["/peer"]
    assert engine.names() == {"weavevolumes-2.9.0"}


def test_a_machine_whose_router_is_gone_leaves_too(engine, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionRefusedError

    monkeypatch.setattr(client, "call", refuse)
    weave.driver(release("star-wars"), WORKER).leave()
    assert engine.done == []


@pytest.mark.parametrize("host", [MASTER, WORKER, ETCD])
def test_every_image_that_it_asks_for_is_in_the_release(host):
    found = release("star-wars")
    assert set(weave.driver(found, host).images()) <= set(found["images"])
