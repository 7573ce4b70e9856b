"""`anywhere dashboard`: what is forwarded, what is shown, and what is said where that cannot be."""

import os
import socket

import pytest

from generator.cli import dashboard
from generator.operations import port_forward
from tests.cli.target import run
from tests.running_monitoring import pod

AWAY = "Monitoring in the cluster is not reached: kubectl said why."


@pytest.fixture
def monitored(nowhere, home, monkeypatch):
    """A cluster that was applied, with monitoring; gives what `kubectl` is, which a test writes."""
    assert run("apply", "--yes", "--timeout", "20") == 0
    with (home / "cluster.yaml").open("a") as file:
        file.write("  addons: [dns, storage, monitoring]\n")
    kubectl = home / "bin" / "kubectl"
    kubectl.parent.mkdir()
    monkeypatch.setenv("PATH", f"{kubectl.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(port_forward, "POLL", 0)

    def write(text):
        kubectl.write_text(f'#!/bin/sh\necho "$@" >>{home}/words\n{text}\n')
        kubectl.chmod(0o755)

    return write


def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


FORWARDS = """\
[ -e {home}/gone ] && exit 1
[ -e {home}/once ] && touch {home}/gone
touch {home}/once
echo "Forwarding from 127.0.0.1:{port} -> 8428"
echo "Forwarding from 127.0.0.1:41234 -> 9093"
echo "Handling connection for {port}"
"""


def test_the_way_is_opened_and_opened_again_where_the_pod_goes(monitored, home, monkeypatch, capsys):
    port = free()
    monitored(FORWARDS.format(home=home, port=port))
    monkeypatch.setattr(port_forward, "AGAIN_SECONDS", 0.5)
    assert run("dashboard", "--port", port) == 1
    shown = capsys.readouterr()
    assert shown.out.count(f"Dashboards of quickstart:  http://127.0.0.1:{port}/vmui/#/dashboards\n") == 2
    assert f"http://127.0.0.1:{port}/vmui/#/rules\n" in shown.out and "http://127.0.0.1:41234\n" in shown.out
    assert AWAY in shown.err
    words = (home / "words").read_text().splitlines()
    asked = f"port-forward --address=127.0.0.1 deployment/monitoring {port}:8428 :9093"
    assert len(words) > 2 and all("--namespace=kube-system" in line and line.endswith(asked) for line in words)


def test_a_pod_that_is_not_there_is_told_at_once(monitored, home, capsys):
    monitored("exit 1")
    assert run("dashboard", "--port", free()) == 1
    said = capsys.readouterr().err
    assert AWAY in said and "`anywhere status`" in said
    assert len((home / "words").read_text().splitlines()) == 1


def test_a_port_that_is_taken_is_told(monitored, home, capsys):
    monitored("exit 1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run("dashboard", "--port", str(port)) == 1
    said = capsys.readouterr().err
    assert f"Port {port} of this computer cannot be listened on" in said and "--port" in said
    assert not (home / "words").exists()


def test_a_cluster_without_monitoring_has_no_dashboards(nowhere, capsys):
    assert run("dashboard") == 1
    said = capsys.readouterr().err
    assert "has no dashboards" in said and "Add monitoring and storage to spec.addons" in said


def test_what_is_forwarded_is_where_the_pod_listens():
    words = {each["name"]: each["args"] for each in pod()["containers"]}
    assert f"-httpListenAddr=127.0.0.1:{dashboard.STORE}" in words["victoria-metrics"]
    assert f"--web.listen-address=127.0.0.1:{dashboard.ALERTMANAGER}" in words["alertmanager"]
