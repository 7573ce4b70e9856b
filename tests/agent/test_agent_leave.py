"""How a worker leaves: what it asks of the masters, what it does alone, and when it does neither."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from agent import host, leave, network, service
from agent.api import ApiError
from agent.drain import CLAIM, LABEL
from agent.host import Host, NodeError

WORKER = Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
MASTER = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)
PATH = "/api/v1/nodes/worker-general-1"


class Api:
    """Answers with what it was given, in turn, the last for ever; an exception is raised."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []

    def call(self, method, path, body=None, kind=""):
        self.calls.append((method, path, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def node(**annotations):
    return {"metadata": {"annotations": annotations}}


CLAIMED = node(**{CLAIM: "master1 1"})
GONE = ApiError("GET", 404, "not found")


@pytest.fixture(autouse=True)
def boot(tmp_path, monkeypatch):
    """The id of this boot, where the kubelet finds it too."""
    monkeypatch.setattr(leave, "BOOT", tmp_path / "boot-id")
    leave.BOOT.write_text("0123456789abcdef0123456789abcdef\n")


@pytest.fixture
def clock(monkeypatch):
    """Time goes by only where somebody waits."""
    now = SimpleNamespace(seconds=1000.0)

    def sleep(seconds):
        now.seconds += seconds

    monkeypatch.setattr(leave, "time", SimpleNamespace(monotonic=lambda: now.seconds, sleep=sleep))
    return now


@pytest.fixture
def worker(tmp_path, monkeypatch, clock, engine, programs):
    """A worker with a kubelet and a network that notes what is done to it; `api` is what it asks."""
    found = SimpleNamespace(api=Api(CLAIMED, GONE), done=[], programs=programs)
    monkeypatch.setattr(leave, "LEFT", tmp_path / "run" / "left")
    monkeypatch.setattr(leave, "BEGUN", tmp_path / "state" / "leaving")
    monkeypatch.setattr(leave, "Api", lambda *_: found.api)
    monkeypatch.setattr(service, "UNITS", tmp_path / "units")
    monkeypatch.setattr(host, "CONVERGED", tmp_path / "state" / "converged.json")
    monkeypatch.setattr(leave, "PODS", tmp_path / "units" / "cri-containerd-.scope.d" / "anywhere-leave.conf")
    net = SimpleNamespace(leave=lambda: found.done.append("network" if "kubelet" not in engine.names() else "early"))
    monkeypatch.setattr(network, "load", lambda release, me: net)
    engine.containers["kubelet"] = {"Id": "id1", "settings": {}, "running": True, "files": b""}
    return found


def test_it_says_so_on_its_own_node_and_waits_until_that_is_gone(clock):
    api = Api(node(), CLAIMED, CLAIMED, GONE)
    leave.ask_masters(api, "worker-general-1")
    labels = {LABEL: leave.BOOT.read_text().strip()}
    assert api.calls[0] == ("PATCH", PATH, {"metadata": {"labels": labels}})
    assert api.calls[1:] == [("GET", PATH, None)] * 3


def test_it_waits_for_no_master_that_does_not_take_it(clock):
    with pytest.raises(NodeError, match="no master"):
        leave.ask_masters(Api(node()), "worker-general-1")
    assert clock.seconds <= 1000 + leave.CLAIM_SECONDS + 1


def test_it_waits_no_longer_than_a_machine_has(clock):
    with pytest.raises(NodeError, match="still there"):
        leave.ask_masters(Api(CLAIMED), "worker-general-1")
    assert clock.seconds <= 1000 + leave.DRAIN_SECONDS + 1


def test_an_api_that_is_silent_for_a_moment_is_asked_again(clock):
    leave.ask_masters(Api(CLAIMED, OSError("reset"), OSError("refused"), CLAIMED, GONE), "worker-general-1")


def test_an_api_that_stays_silent_is_given_up(clock):
    with pytest.raises(OSError, match="refused"):
        leave.ask_masters(Api(CLAIMED, OSError("refused")), "worker-general-1")
    assert clock.seconds <= 1000 + leave.SILENCE_SECONDS + 1


def test_an_api_that_refuses_is_asked_no_more(clock):
    refused = ApiError("GET", 403, "forbidden")
    with pytest.raises(ApiError, match="403"):
        leave.ask_masters(Api(CLAIMED, refused, GONE), "worker-general-1")


def test_it_leaves_once(worker, engine):
    leave.leave({}, WORKER)
    assert worker.done == ["network"] and "kubelet" not in engine.names()
    leave.leave({}, WORKER)
    assert worker.done == ["network"] and len(worker.api.calls) == 2


@pytest.mark.parametrize("answer", [ConnectionRefusedError("refused"), ApiError("PATCH", 403, "forbidden")])
def test_without_masters_it_does_what_it_can_alone(worker, engine, answer):
    worker.api = Api(answer)
    leave.leave({}, WORKER)
    assert worker.done == ["network"] and "kubelet" not in engine.names() and leave.LEFT.exists()


def test_a_machine_that_never_joined_leaves_too(worker, monkeypatch):
    monkeypatch.setattr(leave, "Api", lambda *_: Path("/nowhere/certificate").read_text())
    leave.leave({}, WORKER)
    assert worker.done == ["network"]


def test_a_machine_that_was_cut_off_joins_with_nothing_of_what_it_had(worker):
    def cut_off(*_):
        raise KeyboardInterrupt

    worker.api.call = cut_off
    with pytest.raises(KeyboardInterrupt):
        leave.leave({}, WORKER)
    assert worker.done == []
    leave.clear({}, WORKER)
    leave.clear({}, WORKER)
    assert len(worker.done) == 1


def test_a_machine_that_left_has_nothing_to_clear(worker):
    leave.leave({}, WORKER)
    leave.clear({}, WORKER)
    assert worker.done == ["network"]


def test_what_was_cut_short_is_done_again(worker, monkeypatch):
    with monkeypatch.context() as patch:
        broken = SimpleNamespace(leave=lambda: (_ for _ in ()).throw(NodeError("weave: 500")))
        patch.setattr(network, "load", lambda release, me: broken)
        with pytest.raises(NodeError):
            leave.leave({}, WORKER)
    worker.api = Api(GONE)
    leave.leave({}, WORKER)
    assert worker.done == ["network"]


@pytest.mark.parametrize(
    ("me", "answer", "due"),
    [(WORKER, b"yes\n", True), (WORKER, b"no\n", False), (WORKER, NodeError("404"), False), (MASTER, b"yes\n", False)],
)
def test_only_a_worker_that_its_target_takes_away_is_to_leave(worker, monkeypatch, me, answer, due):
    def fetch(key):
        assert key == "machine/leaving"
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(host, "fetch", fetch)
    assert leave.due(me) is due


def test_a_machine_that_left_stays_away_until_it_boots(worker, monkeypatch):
    monkeypatch.setattr(host, "fetch", lambda key: b"no\n")
    leave.leave({}, WORKER)
    assert leave.due(WORKER)


@pytest.mark.parametrize(
    ("jobs", "leaves"),
    [
        ("123 poweroff.target start waiting\n124 docker.service stop waiting\n", True),
        ("123 halt.target start waiting\n", True),
        ("123 reboot.target start waiting\n124 docker.service stop waiting\n", False),
        ("123 kexec.target start waiting\n", False),
        ("124 anywhere-leave.service stop running\n", False),
        ("", False),
    ],
)
def test_it_leaves_when_it_is_powered_off_and_only_then(worker, tmp_path, monkeypatch, jobs, leaves):
    worker.programs.put("systemctl", f"printf '%s' '{jobs}'")
    (tmp_path / "release.json").write_text('{"images": {"amd64": {}, "arm64": {}}}')
    monkeypatch.setattr(leave.sys, "argv", ["leave", str(tmp_path / "release.json")])
    monkeypatch.setattr(host, "read", lambda release: WORKER)
    leave.main()
    assert leave.LEFT.exists() is leaves


def test_pods_are_ended_after_it_left(worker):
    worker.programs.put("systemctl")
    leave.prepare()
    assert "Before=anywhere-leave.service" in leave.PODS.read_text()


def test_a_machine_that_stays_after_all_does_not_leave_when_it_is_powered_off(worker):
    worker.programs.put("systemctl")
    leave.prepare()
    leave.stay()
    assert not leave.PODS.exists() and not (service.UNITS / "anywhere-leave.service").exists()
    assert worker.programs.runs()[-1] == "systemctl disable --now anywhere-leave.service"
    leave.stay()


def test_a_unit_that_a_power_cut_left_disabled_is_enabled(worker):
    worker.programs.put("systemctl")
    service.UNITS.mkdir(parents=True)
    assert service.install("anywhere-leave.service") is True
    assert service.install("anywhere-leave.service") is True


def test_a_unit_that_could_not_be_restarted_is_tried_again(worker):
    worker.programs.put("systemctl", '[ "$1" != restart ]')
    with pytest.raises(NodeError):
        service.ensure("anywhere-drain.service")
    worker.programs.put("systemctl")
    service.ensure("anywhere-drain.service")
    assert worker.programs.runs()[-1] == "systemctl restart anywhere-drain.service"


def test_a_machine_that_left_has_no_network_to_come_up_with(worker):
    host.CONVERGED.parent.mkdir(parents=True)
    host.CONVERGED.write_text("{}")
    leave.leave({}, WORKER)
    assert not host.CONVERGED.exists()


def test_its_unit_is_started_and_never_stopped_for_a_new_one(worker):
    wants = service.UNITS / "multi-user.target.wants"
    worker.programs.put("systemctl", f'if [ "$1" = enable ]; then mkdir -p {wants}; touch "{wants}/$3"; fi')
    leave.prepare()
    (service.UNITS / "anywhere-leave.service").write_text("[Unit]\n# of an older archive\n")
    leave.prepare()
    leave.prepare()
    ensured = ["systemctl enable --no-reload anywhere-leave.service", "systemctl start anywhere-leave.service"]
    # systemd must be told of a unit that changed, and reads one that is new by itself.
    assert worker.programs.runs() == [*ensured, "systemctl daemon-reload", *ensured]
