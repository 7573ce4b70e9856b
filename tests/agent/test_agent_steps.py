"""The steps of converge, all of them and in order: a step that is forgotten or moved is noticed here."""

import fcntl
import json
import os
import select
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from agent import __main__ as converge
from agent import console, health, host, service
from agent.host import NodeError
from agent.turns import Waiting
from releases import text
from steps import MACHINES, Steps

from generator.status import stages

PREPARE = [
    "host.take_name", "settings.ensure", "proxy.ensure", "kernel.ensure", "packages.ensure",
    "settings.resolve_names", "host.read", "guard.ensure", "turns.load", "leave.due",
]  # fmt: skip
STAYS = ["retire.due"]
IMAGES = ["images.ensure", "network.begin", "images.ensure_for_pods", "bundle.fetch_all"]
NETWORK = [*STAYS, "leave.clear", *IMAGES, "network.up", "resolver.ensure", "restore.ensure"]
LATE = ["debian", "finish", "expiry.tell", "leftovers.remove", "resume.prepare", "cluster_dns.check"]
DONE = ["leave.stay", *LATE]


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """The steps of a master of star-wars, unless a test has another machine or release."""
    document = tmp_path / "release.json"
    document.write_text(text("star-wars"))
    made = Steps(document)
    made.patch(monkeypatch)
    for name in ("READY", "BOOTED", "WAITING"):
        monkeypatch.setattr(converge, name, tmp_path / name)
    monkeypatch.setattr(console, "CONSOLES", (tmp_path / "serial",))
    (tmp_path / "serial").touch()
    monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: "amd64"})
    monkeypatch.setattr(converge.sys, "argv", ["agent", str(document)])
    return made


def said(tmp_path):
    return [line for line in (tmp_path / "serial").read_text().splitlines() if line]


ETCD = [
    *("storage.ensure", "anywhere-snapshot.service", "membership.prepare", "etcd"),
    *("restore.settle", "membership.settle"),
]
API = ["kube-apiserver", "addons.install_keys", "addons.apply bootstrap"]
HANDED = ["put bootstrap-kubeconfig", "put kubeconfig"]
USERS = [
    *HANDED, *HANDED, "put ca.crt", "health.api_ready",
    "begin kube-controller-manager", "begin kube-scheduler", "begin kubelet", "begin kube-proxy",
    "anywhere-approver.service",
    "kube-controller-manager", "network.settle", "kube-scheduler", "network.settle",
    "kubelet", "containerd.retire_earlier", "network.settle", "kube-proxy", "network.settle",
]  # fmt: skip
USED = [step.removeprefix("begin ") for step in USERS if step.startswith("begin ")]
BEGUN = [
    *("begin kube-apiserver", "node_certificates.sign_first", *HANDED, *HANDED),
    *(f"create {component}" for component in USED),
]  # fmt: skip
ANSWERED = ["health.wait_answering", "begin kubelet"]
SNAPSHOTS = ["anywhere-snapshot.service"]
SERVICES = [f"anywhere-{name}.service" for name in ("front", "drain", "rollout")]
LAST = [*SERVICES, "addons.apply cluster", "own_addons.apply"]
MEASURES = ["anywhere-measures.service"]  # which star-wars has for its monitoring, where there is a kubelet


def test_an_etcd_machine(steps):
    steps.me = MACHINES["etcd"]
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, *ETCD, *SNAPSHOTS, *DONE]


@pytest.mark.parametrize("role", MACHINES)
def test_a_machine_with_a_kubelet_measures_itself_where_an_add_on_reads_that(steps, tmp_path, monkeypatch, role):
    removed = []
    monkeypatch.setattr(service, "remove", removed.append)
    steps.me = MACHINES[role]
    for measured in (True, False):
        (tmp_path / "release.json").write_text(json.dumps({**json.loads(text("star-wars")), "measured": measured}))
        assert converge.main() == 0
    measures = "anywhere-measures.service"
    assert steps.count(measures) == (role != "etcd") and removed == [measures] * (1 + (role == "etcd"))


def test_a_master(steps):
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, *API, *USERS, *MEASURES, *LAST, *DONE]


def test_a_new_master_starts_what_uses_the_api_once_that_answers_and_the_kubelet_first(steps):
    steps.blank = True
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, *BEGUN, *ANSWERED, *API, *USERS, *MEASURES, *LAST, *DONE]


def test_the_only_new_master_starts_its_api_server_while_etcd_starts(steps, tmp_path):
    (tmp_path / "release.json").write_text(text("quickstart"))
    steps.blank = True
    assert converge.main() == 0
    before = ["storage.ensure", "membership.prepare", "begin etcd", *BEGUN]
    assert steps == [
        *PREPARE, *NETWORK, *before, *ETCD[3:], *ANSWERED, *API, *USERS, *SNAPSHOTS, *LAST, *DONE,
    ]  # fmt: skip


def test_a_new_master_beside_others_starts_its_api_server_once_etcd_serves(steps, tmp_path):
    """A member may wait for a majority for longer than the API server waits for etcd."""
    (tmp_path / "release.json").write_text(text("ha"))
    steps.blank = True
    assert converge.main() == 0
    etcd = [step for step in ETCD if step not in SNAPSHOTS]
    assert steps == [
        *PREPARE, *NETWORK, *etcd, *BEGUN, *ANSWERED, *API, *USERS, *SNAPSHOTS, *LAST, *DONE,
    ]  # fmt: skip


@pytest.mark.parametrize("definition", ["quickstart", "ha"])
@pytest.mark.parametrize("blank", [True, False], ids=["new", "interrupted"])
def test_the_network_may_wait_for_all_that_a_master_runs(steps, tmp_path, definition, blank):
    """Flannel waits for the node's range: for the kubelet, the controller manager, and that nodes may read nodes."""
    (tmp_path / "release.json").write_text(text(definition))
    steps.blank = blank  # where its first start was interrupted, the API server is there, and the others may not be
    assert converge.main() == 0
    settled = steps.index("network.settle")
    assert all(step in steps[:settled] for step in ("addons.apply bootstrap", *(f"begin {name}" for name in USED)))


def test_a_master_with_etcd_has_that_first(steps, tmp_path):
    (tmp_path / "release.json").write_text(text("ha"))
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, *ETCD, *API, *USERS, *SNAPSHOTS, *LAST, *DONE]


def test_a_new_member_takes_no_snapshot_before_the_machine_is_done(steps):
    steps.me, steps.blank = MACHINES["etcd"], True
    assert converge.main() == 0
    assert steps == [
        *PREPARE,
        *NETWORK,
        *(step for step in ETCD if step not in SNAPSHOTS),
        *SNAPSHOTS,
        *DONE,
    ]


def test_a_member_whose_certificate_has_expired_is_renewed_at_once_and_need_not_serve_before_the_others_are(steps):
    steps.me, steps.expired = MACHINES["etcd"], True
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, *ETCD[:3], "etcd at once", *ETCD[3:], *SNAPSHOTS, *DONE]


def test_a_worker(steps):
    steps.me = MACHINES["worker"]
    assert converge.main() == 0
    assert steps == [
        *PREPARE, *NETWORK,
        *HANDED, *HANDED, "put ca.crt", "health.api_ready", "begin kubelet", "begin kube-proxy",
        "kubelet", "containerd.retire_earlier", "network.settle", "kube-proxy", "network.settle",
        *MEASURES, "leave.prepare", *LATE,
    ]  # fmt: skip


def test_a_look_at_a_machine_that_is_ready_gives_way_to_what_runs_there(steps, yielded):
    """What brings it to a release does not."""
    assert converge.main() == 0
    assert yielded == []
    assert converge.main() == 0
    assert yielded == [10]


def test_a_look_at_a_machine_that_is_ready_settles_its_network_once(steps):
    """It runs several programs; after each component is only for those that were started."""
    assert converge.main() == 0
    steps.clear()
    assert converge.main() == 0
    assert steps.count("network.settle") == 1
    steps.clear()
    steps.changed = True
    assert converge.main() == 0
    assert steps.count("network.settle") == len(USED)


def test_a_worker_that_waits_for_the_api_looks_for_masters_meanwhile(steps, monkeypatch):
    steps.me = MACHINES["worker"]
    monkeypatch.setattr(health, "api_ready", lambda ca, seconds, meanwhile: meanwhile())
    assert converge.main() == 0
    assert steps.count("network.repair") == 1


def test_a_new_machine_has_its_packages_before_it_does_anything(steps):
    steps.new = True
    host.CONVERGED.unlink()
    assert converge.main() == 0
    first = PREPARE.index("packages.ensure") + 1
    assert steps == [
        *PREPARE[:first],
        "debian at once",
        *PREPARE[first:],
        *NETWORK,
        *API,
        *USERS,
        *MEASURES,
        *LAST,
        *DONE,
    ]


def test_a_worker_that_its_target_takes_away(steps):
    steps.me, steps.leaving = MACHINES["worker"], True
    assert converge.main() == 0
    assert steps == [*PREPARE, "leave.leave"]


def test_a_machine_that_the_release_no_longer_has(steps, tmp_path):
    steps.retiring = True
    assert converge.main() == 0
    assert steps == [*PREPARE, *STAYS, "retire.retire"]
    assert [line.split()[1] for line in said(tmp_path)[-2:]] == ["stage=retired", "stage=ready"]


@pytest.mark.parametrize("step", ["network.up", "membership.prepare", "kube-apiserver", "kubelet", "debian"])
def test_a_machine_whose_turn_it_is_not_stops_there_and_says_so_once(steps, tmp_path, step):
    """It is no failure: the timer comes back, with the release that is then the newest."""
    (tmp_path / "release.json").write_text(text("ha"))
    steps.stops = (step, Waiting("master2,\nwhose turn it is"))
    assert converge.main() == 0
    assert steps[-1] == step and "finish" not in steps
    stage = {"network.up": "network", "membership.prepare": "etcd"}.get(step, step)
    assert said(tmp_path)[-1] == f"anywhere: waiting stage={stage} for=master2, whose turn it is"
    before = said(tmp_path)
    assert converge.main() == 0
    assert [line for line in said(tmp_path)[len(before) :] if "waiting" in line or "ready" in line] == []
    steps.stops = (step, Waiting("master3"))
    assert converge.main() == 0
    assert said(tmp_path)[-1].endswith(" for=master3")
    steps.stops = ("", None)
    assert converge.main() == 0
    assert "stage=ready" in said(tmp_path)[-1]
    before = said(tmp_path)
    assert converge.main() == 0
    assert said(tmp_path) == before  # nobody is waited for any more


def test_right_after_a_boot_there_is_no_folder_for_what_was_said(steps, tmp_path, monkeypatch):
    monkeypatch.setattr(converge, "BOOTED", tmp_path / "run" / "booted")
    assert converge.main() == 0
    assert converge.BOOTED.exists() and "stage=boot" in said(tmp_path)[0]


def test_status_knows_whom_a_machine_waits_for_however_long(steps, tmp_path):
    steps.stops = ("kubelet", Waiting("master2"))
    for _ in range(3):
        assert converge.main() == 0
        assert stages((tmp_path / "serial").read_text()).waiting == "master2"


def test_what_is_put_back_is_a_failure_and_not_the_end_of_the_release(steps, tmp_path):
    steps.stops = ("kubelet", NodeError("kubelet: no; the previous container is back"))
    assert converge.main() == 1
    assert steps[-1] == "kubelet" and "finish" not in steps
    assert said(tmp_path)[-1].startswith("anywhere: failed stage=kubelet reason=kubelet: no")


def test_dns_that_does_not_answer_is_watched(steps):
    steps.dns = "timeout"
    assert converge.main() == 0
    assert steps[-2:] == ["cluster_dns.check", "cluster_dns.watch"]


def test_one_process_at_a_time_converges_a_machine(tmp_path, monkeypatch):
    """A turn is a machine's, so two of them would both have it. Where one is killed, the next begins."""
    monkeypatch.setattr(converge, "ALONE", tmp_path / "run" / "converge.lock")
    script = (
        "import sys, pathlib; from agent import __main__ as converge\n"
        "converge.ALONE = pathlib.Path(sys.argv[1])\n"
        "with converge.alone(): print('alone', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(converge.ALONE)]
    environment = {**os.environ, "PYTHONPATH": str(Path(converge.__file__).parents[1])}
    begin = partial(subprocess.Popen, command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with begin() as first:
        assert first.stdout.readline() == b"alone\n"
        with begin() as second:
            assert select.select([second.stdout], [], [], 1)[0] == []
            first.kill()
            assert second.stdout.readline() == b"alone\n"
            second.kill()


def test_who_is_done_leaves_the_machine_to_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(converge, "ALONE", tmp_path / "anywhere" / "alone")
    with converge.alone():
        assert not _is_free(converge.ALONE)
    assert _is_free(converge.ALONE)


def _is_free(path):
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
