"""A kubelet that took another's place works once it has reported its node as Ready."""

from datetime import UTC, datetime

import pytest
from agent import containers, health, host, node_report
from agent.host import NodeError

STARTED = datetime(2026, 3, 1, 12, 0, 30, 700000, tzinfo=UTC)


def node(at="2026-03-01T12:00:31Z", ready="True"):
    conditions = [
        {"type": "MemoryPressure", "status": "False", "lastHeartbeatTime": at},
        {"type": "Ready", "status": ready, "lastHeartbeatTime": at},
    ]
    return {"status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("reported", "ready"),
    [
        (node(), True),
        (node(at="2026-03-01T12:00:30Z"), True),  # the API cuts off the part of a second
        (node(at="2026-03-01T12:00:29Z"), False),  # by the kubelet before it
        (node(ready="False"), False),
        (node(ready="Unknown"), False),
        ({"status": {}}, False),
    ],
)
def test_only_what_the_new_kubelet_reported_counts(reported, ready):
    assert node_report.is_ready(reported, STARTED) is ready


@pytest.fixture
def kubelet(engine, monkeypatch):
    """A kubelet that is alive; `answers` is what the API says of its node, look by look."""
    engine.containers["kubelet"] = {"Id": "k", "settings": {"Image": "h"}, "running": True, "files": b""}
    monkeypatch.setattr(health, "wait_serving", lambda spec, engine: None)
    monkeypatch.setattr(host.time, "sleep", lambda seconds: None)
    answers = []

    class Api:
        def __init__(self, *_):
            pass

        def call(self, method, path):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(node_report, "Api", Api)
    return answers


SPEC = {"component": "kubelet", "name": "kubelet", "health_seconds": 60}


def test_it_is_waited_for(kubelet):
    kubelet += [node(at="2026-03-01T11:00:00Z"), node(ready="False"), node()]
    containers._wait_replaced(SPEC)
    assert kubelet == []


def test_one_that_stays_not_ready_is_a_failure(kubelet):
    kubelet += [node(ready="False")]
    with pytest.raises(NodeError, match="the node of kubelet was not ready"):
        containers._wait_replaced({**SPEC, "health_seconds": -1})


@pytest.mark.parametrize("error", [OSError("no route"), NodeError("503")])
def test_without_the_api_it_need_only_be_alive(kubelet, error):
    kubelet += [error]
    containers._wait_replaced(SPEC)
    assert kubelet == []


def test_other_components_have_no_node(kubelet):
    containers._wait_replaced({**SPEC, "component": "kube-proxy"})
