"""Asking the cluster's DNS, against servers on loopback that answer as CoreDNS does, wrongly, or not at all."""

import socket
import struct
import threading

import pytest
from agent import cluster_dns
from agent.host import Host
from releases import release

NAME = "kubernetes.default.svc.cluster.local"
QUESTION = b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\0\0\1\0\1"
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\x0a\x60\0\1"
WORKER = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
ETCD = Host("etcd1", "etcd", "etcd", "10.20.0.10", "10.0.2.100", 1500)


@pytest.fixture
def server():
    """A server: set `answer`, a function of the question; its `port` and the questions that it `got`."""

    class Server:
        got, answer = (), staticmethod(lambda question: None)

        def __init__(self):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind(("127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]

        def serve(self):
            while True:
                question, client = self.socket.recvfrom(4096)
                if not question:
                    return
                self.got = (*self.got, question)
                if reply := self.answer(question):
                    self.socket.sendto(reply, client)

    made = Server()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"", ("127.0.0.1", made.port))
    thread.join()
    made.socket.close()


def answered(question, code=0, answers=1, identity=None):
    head = struct.pack("!6H", 0x8500 | code, 1, answers, 0, 0, 0)[:-2]
    return (identity or question[:2]) + head + question[12:] + ADDRESS * answers


def test_a_name_that_resolves_is_an_answer(server):
    server.answer = answered
    assert cluster_dns.ask("127.0.0.1", NAME, server.port) == "ok"
    (question,) = server.got
    assert question[2:12] == b"\1\0\0\1\0\0\0\0\0\0" and question[12:] == QUESTION


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (lambda q: answered(q, 2, 0), "SERVFAIL"),
        (lambda q: answered(q, 3, 0), "NXDOMAIN"),
        (lambda q: answered(q, 9, 0), "RCODE9"),
        (lambda q: answered(q, 0, 0), "empty"),
        (lambda q: q, "malformed"),
        (lambda q: q[:5], "malformed"),
        (lambda q: answered(q, identity=bytes([q[0] ^ 1, q[1]])), "malformed"),
    ],
)
def test_what_is_no_answer_is_named_in_a_word(server, answer, word):
    server.answer = answer
    assert cluster_dns.ask("127.0.0.1", NAME, server.port) == word


def test_silence_and_a_refusal_are_told_apart(server, monkeypatch):
    monkeypatch.setattr(cluster_dns, "ATTEMPT_SECONDS", 0.05)
    assert cluster_dns.ask("127.0.0.1", NAME, server.port) == "timeout"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert cluster_dns.ask("127.0.0.1", NAME, port) == "refused"


def test_a_lost_packet_is_asked_again_but_not_for_long(monkeypatch):
    asked = []
    monkeypatch.setattr(cluster_dns, "ask", lambda *question: asked.append(question) or "timeout")
    assert cluster_dns.check(release("star-wars"), WORKER) == "timeout"
    assert asked == [("10.96.0.10", NAME)] * cluster_dns.ATTEMPTS
    answers = iter(("timeout", "ok"))
    monkeypatch.setattr(cluster_dns, "ask", lambda *question: next(answers))
    assert cluster_dns.check(release("star-wars"), WORKER) == "ok"


def test_who_has_no_services_and_who_has_another_dns_do_not_ask(monkeypatch):
    monkeypatch.setattr(cluster_dns, "ask", lambda *question: 1 / 0)
    assert cluster_dns.check(release("star-wars"), ETCD) == ""
    assert cluster_dns.check({**release("star-wars"), "dns": None}, WORKER) == ""


def test_the_watcher_converges_as_soon_as_there_is_an_answer(monkeypatch, programs):
    programs.put("systemctl")
    answers, waited = iter(("refused", "timeout", "ok")), []
    monkeypatch.setattr(cluster_dns, "ask", lambda *question: next(answers))
    monkeypatch.setattr(cluster_dns.time, "sleep", waited.append)
    monkeypatch.setattr(cluster_dns.sys, "argv", ["cluster_dns", "10.96.0.10", NAME])
    cluster_dns.main()
    assert waited == [1, 1]
    assert programs.runs() == ["systemctl start --no-block anywhere-converge.service"]


@pytest.mark.parametrize("status", [0, 1])
def test_a_watcher_that_runs_already_is_as_good_as_a_new_one(programs, status):
    programs.put("systemd-run", f"exit {status}")
    cluster_dns.watch(release("star-wars"))
    (run,) = programs.runs()
    assert "--unit=anywhere-dns" in run and run.endswith(f"-m agent.cluster_dns 10.96.0.10 {NAME}")
