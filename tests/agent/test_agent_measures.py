"""What a machine writes for monitoring: of itself, of its certificates, of its network, of the rollout and of etcd."""

import base64
import http.server
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import real_etcd
from agent import bundle, etcd, host, measures, network
from agent.host import NodeError
from node_api import Api
from releases import release
from steps import MACHINES
from test_agent_node_certificates import NEW, issued

NOW = datetime.now(UTC).replace(microsecond=0)
STAR_WARS = release("star-wars")
WEAVE = """\
# HELP weave_connections Number of peer-to-peer connections.
# TYPE weave_connections gauge
weave_connections{encryption="",state="established",type="fastdp"} 2
weave_ips 12
weavenpc_blocked_connections_total{dport="80",protocol="tcp"} 3
go_goroutines 90
weave_odd this is no sample
"""


def samples(lines):
    return dict(line.rsplit(" ", 1) for line in lines)


def test_a_machine_is_fine_that_is_ready_or_waits_for_its_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(measures, "FINE", (tmp_path / "ready", tmp_path / "waiting"))
    assert list(measures.machine()) == ["anywhere_machine_ready{} 0"]
    for path in measures.FINE:
        path.touch()
        assert list(measures.machine()) == ["anywhere_machine_ready{} 1"]
        path.unlink()


def test_every_certificate_of_the_machine_has_an_end(tmp_path, monkeypatch):
    kept, kubelet = tmp_path / "secrets", tmp_path / "kubelet-client-current.pem"
    kept.mkdir()
    monkeypatch.setattr(bundle, "KEPT", kept)
    monkeypatch.setattr(measures, "AUTHORITIES", {kubelet: "", tmp_path / "kubelet-server-current.pem": ""})
    kubelet.write_text(issued(NEW, NOW, 90))
    encoded = base64.b64encode(issued(NEW, NOW, 40).encode()).decode()
    files = {
        "server.crt": issued(NEW, NOW, 50),
        "server.key": "no certificate",
        "kubeconfig": f'user: {{client-certificate-data: "{encoded}"}}',
        "bootstrap-kubeconfig": "user: {token: secret}",
    }
    (kept / "kube-apiserver-1").write_text(json.dumps(files))
    found = samples(measures.certificates({"secrets": {"kube-apiserver": "1", "etcd": "2"}}))
    ends = {
        ("kube-apiserver", "server.crt"): 50,
        ("kube-apiserver", "kubeconfig"): 40,
        ("kubelet", "kubelet-client"): 90,
    }
    assert found == {
        f'anywhere_certificate_end_seconds{{component="{component}",certificate="{name}"}}': (
            str(int((NOW + timedelta(days=days)).timestamp()))
        )
        for (component, name), days in ends.items()
    }
    assert "secret" not in json.dumps(found)


def test_what_the_network_measures_is_passed_on_and_nothing_else():
    assert samples(measures.passed_on(WEAVE, measures.OF_NETWORK)) == {
        'weave_connections{encryption="",state="established",type="fastdp"}': "2",
        "weave_ips{}": "12",
        'weavenpc_blocked_connections_total{dport="80",protocol="tcp"}': "3",
    }


@pytest.fixture
def shown():
    """A network driver that shows what it measures."""

    class Shows(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/metrics" else 404)
            self.send_header("Content-Length", str(len(WEAVE)))
            self.end_headers()
            self.wfile.write(WEAVE.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shows) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_part_that_does_not_answer_is_told_and_silences_no_other(shown, monkeypatch):
    driver = SimpleNamespace(measured=lambda: (f"{shown}/none", f"{shown}/metrics"))
    monkeypatch.setattr(network, "load", lambda *_: driver)
    monkeypatch.setattr(measures, "certificates", lambda release: iter(["anywhere_certificate_end_seconds{} 1"]))
    found = measures.sources(STAR_WARS, MACHINES["worker"], measures.Clients())
    lines, problem = measures.measured(found)
    assert "404" in problem
    assert {"weave_ips{}", "anywhere_machine_ready{}", "anywhere_certificate_end_seconds{}"} <= samples(lines).keys()


@pytest.mark.parametrize("driver", ["star-wars", "quickstart-flannel"])
def test_a_driver_says_where_it_measures(driver):
    urls = network.load(release(driver), MACHINES["worker"]).measured()
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url) for url in urls)
    assert bool(urls) is (driver == "star-wars")


def test_the_rollout_is_told_as_its_leader_tells_it():
    status = {
        "left": ["worker-general-1", "worker-general-2"],
        "halted": [{"machine": "worker-general-1", "component": "kubelet", "reason": 'a "reason"'}],
        "stuck": {"worker-general-2": "a pod stays"},
    }
    api = Api()
    api.objects[measures.STATUS] = {"data": {"status": json.dumps(status)}}
    assert samples(measures.rollout(api)) == {
        "anywhere_rollout_left{}": "2",
        'anywhere_rollout_halted{machine="worker-general-1",component="kubelet"}': "1",
        'anywhere_rollout_stuck{machine="worker-general-2"}': "1",
    }


def test_masters_alone_ask_for_etcd_and_the_rollout(monkeypatch):
    monkeypatch.setattr(network, "load", lambda *_: SimpleNamespace(measured=tuple))
    counts = [len(measures.sources(STAR_WARS, MACHINES[role], measures.Clients())) for role in ("worker", "master")]
    assert counts == [2, 4]


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Real members of etcd: one that runs, and one that does not."""
    names = ("etcd-ca.crt", "etcd-client.crt", "etcd-client.key")
    with real_etcd.of_agent(real_etcd.program(tmp_path), tmp_path, monkeypatch, names) as found:
        yield found


def test_every_member_of_etcd_is_measured_or_known_to_be_away(members):
    client = etcd.connect({"etcd": {"members": ["etcd1", "etcd2"]}}, "master")
    for _ in range(2):  # the second time by the connection that was kept
        found = samples(measures.of_etcd(client, ["etcd1", "etcd2"]))
    assert found['anywhere_etcd_member_up{member="etcd1"}'] == "1"
    assert found['anywhere_etcd_member_up{member="etcd2"}'] == "0"
    assert found['etcd_server_has_leader{member="etcd1"}'] == "1"
    assert 'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.512",member="etcd1"}' in found
    end = found['anywhere_certificate_end_seconds{component="etcd",certificate="server.crt",member="etcd1"}']
    assert abs(int(end) - (datetime.now(UTC) + timedelta(days=1)).timestamp()) < 3600
    members.stop("etcd1")
    assert samples(measures.of_etcd(client, ["etcd1"])) == {'anywhere_etcd_member_up{member="etcd1"}': "0"}
    members.start("etcd1")
    members.wait("etcd1")
    assert samples(measures.of_etcd(client, ["etcd1"]))['anywhere_etcd_member_up{member="etcd1"}'] == "1"


def test_clients_are_kept_while_all_is_well(monkeypatch):
    made = []
    monkeypatch.setattr(etcd, "connect", lambda *_: made.append("etcd") or object())
    clients, me = measures.Clients(), MACHINES["master"]
    assert clients.etcd(STAR_WARS, me) is clients.etcd(STAR_WARS, me)
    newer = {**STAR_WARS, "secrets": {**STAR_WARS["secrets"], "kube-apiserver": "other"}}
    clients.etcd(newer, me)
    clients.forget()
    clients.etcd(newer, me)
    assert len(made) == 3


class Ended(Exception):
    """The test has seen enough of what never ends."""


def test_it_measures_again_and_again_and_says_a_problem_once(tmp_path, monkeypatch, capsys):
    document, file, slept = tmp_path / "release.json", tmp_path / "metrics" / "anywhere.prom", []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 4:
            raise Ended
        if len(slept) == 3:
            document.unlink()

    monkeypatch.setattr(measures.sys, "argv", ["measures", str(document)])
    monkeypatch.setattr(measures, "FILE", file)
    monkeypatch.setattr(measures, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(measures, "sources", lambda *_: [lambda: iter(["a{} 1"]), failing])
    monkeypatch.setattr(host, "release", lambda text: {})
    monkeypatch.setattr(host, "read", lambda release: MACHINES["worker"])
    document.write_text("{}")
    with pytest.raises(Ended):
        measures.main()
    assert file.read_text() == "a{} 1\n" and file.stat().st_mode & 0o777 == 0o644
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "not measured: no way" and len(said) == 2 and "No such file" in said[1]


def failing():
    raise NodeError("no way")
