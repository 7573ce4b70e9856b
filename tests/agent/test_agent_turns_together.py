"""Several machines that go to one release at once, each in a thread, with one etcd between them."""

import threading
import time
from contextlib import nullcontext

import pytest
from agent import cordon, halts, progress
from agent.host import NodeError
from agent.turns import Stop, Waiting, before, control_plane
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from machines import Machines

CASES = {"ha": ("master1", "master2", "master3"), "star-wars": ("etcd1", "etcd2", "etcd3", "master1")}
COMPONENTS = ("network", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
SECONDS = 60


class Watched:
    """All machines, watched at each stop: `wrong` is what must not be, `stopped` each stop in order."""

    def __init__(self, machines, bad, monkeypatch):
        self.machines, self.bad = machines, bad
        self.wrong, self.stopped, self.halted = [], [], []
        self.running, self.new, self._lock = set(), set(), threading.RLock()
        written = threading.local()  # each machine has a disk of its own
        monkeypatch.setattr(progress, "_written", lambda: getattr(written, "record", (progress.NOTHING, 0.0)))
        monkeypatch.setattr(progress, "write", lambda path, text: _remember(written, text))
        monkeypatch.setattr(cordon, "emptied", lambda release, name: nullcontext())
        alone = threading.local()
        monkeypatch.setattr(halts, "record_alone", lambda *what: setattr(alone, "what", what))

    def stop(self, name, component):
        """Called in the turn of a machine: what it is replaced for is down until `start`."""
        with self._lock:
            if self.running:
                self.wrong.append(f"{name} stops {component} while {self.running} is under way")
            self.running.add((name, component))
            self.stopped.append((name, component))
            down = self.machines.etcd.down | self.machines.down
            if down:
                self.wrong.append(f"{name} stops {component} while {down} is down")
            for earlier in before(component):
                late = [other for other in self.names(earlier) if (other, earlier) not in self.new]
                if late:
                    self.wrong.append(f"{name} stops {component} before {earlier} of {late}")
            if component in ("etcd", "network") and "etcd" in self.machines.components(name):
                self.machines.etcd.down.add(f"etcd{name[-1]}")
            if component in ("kube-apiserver", "network") and "kube-apiserver" in self.machines.components(name):
                self.machines.down.add(name)

    def start(self, name, component, new):
        with self._lock:
            self.machines.etcd.down.discard(f"etcd{name[-1]}")
            self.machines.down.discard(name)
            self.running.discard((name, component))
            if new:
                self.new.add((name, component))

    def names(self, component):
        return [name for name in self.machines.release["control_plane"] if component in self.machines.components(name)]

    def converge(self, name):
        """One machine's runs of converge, each from the beginning, until it is done or the rollout is halted."""
        end = time.monotonic() + SECONDS
        turns = self.machines.turns(name)
        while time.monotonic() < end:
            try:
                for component in COMPONENTS:
                    if component == "network" or component in self.machines.components(name):
                        self.ensure(turns, name, component)
                return
            except Waiting:
                if self.halted and len(self.halted) == len(self.names(self.bad)):
                    return  # whom it waits for goes no further: an etcd that was put back, for a master without one
                time.sleep(0.002)
            except NodeError as error:
                self.halted.append(f"{name}: {error}")
                return
        self.wrong.append(f"{name} did not come to an end")

    def ensure(self, turns, name, component):
        identity = f"{component} of the release"
        if (name, component) not in self.new:
            with turns.take(Stop(component, identity, lambda: True)):
                self.stop(name, component)
                time.sleep(0.003)
                bad = component == self.bad
                self.start(name, component, new=not bad)
                if bad:
                    raise NodeError("the previous container is back")
        turns.done(component, identity)

    def run(self, delays):
        def begin(name, delay):
            time.sleep(delay / 1000)
            self.converge(name)

        pairs = zip(self.machines.release["control_plane"], delays, strict=False)
        threads = [threading.Thread(target=begin, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _remember(written, text):
    import json

    described = json.loads(text)
    written.record = progress.Record(described["release"], frozenset(described["done"])), described["at"]


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bad=st.sampled_from(["", "", *COMPONENTS]),
    delays=st.lists(st.integers(0, 20), min_size=4, max_size=4),
    attention=st.sampled_from([-1, 0.05]),
)
@example(bad="etcd", delays=[0, 0, 0, 0], attention=-1)
def test_one_at_a_time_in_order_and_a_bad_release_costs_one_machine(tmp_path, case, bad, delays, attention):
    with pytest.MonkeyPatch.context() as monkeypatch:
        machines = Machines(case, tmp_path, monkeypatch)
        monkeypatch.setattr(control_plane, "ATTENTION_SECONDS", attention)
        watched = Watched(machines, bad, monkeypatch)
        watched.run(delays)
        assert watched.wrong == []
        if bad:
            assert [component for _, component in watched.stopped].count(bad) == 1
            assert list(halts.read(machines.client)) == [bad]
        else:
            assert watched.halted == [] and halts.read(machines.client) == {}
            everything = {(name, "network") for name in machines.release["control_plane"]}
            everything |= {(name, component) for component in COMPONENTS[1:] for name in watched.names(component)}
            assert watched.new == everything and len(watched.stopped) == len(everything)


def test_nothing_is_stopped_anywhere_while_a_member_is_down(tmp_path, monkeypatch):
    machines = Machines("ha", tmp_path, monkeypatch)
    machines.etcd.down.add("etcd2")
    for name in ("master1", "master3"):
        with pytest.raises(Waiting, match="etcd2"):
            Watched(machines, "", monkeypatch).ensure(machines.turns(name), name, "etcd")
