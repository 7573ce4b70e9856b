"""The simulation of a rollout: its own parts, and a small one of everything."""

import urllib.request

import pytest

from benchmarks.rollout import programs, releases, simulation
from benchmarks.rollout.__main__ import lines, table
from benchmarks.rollout.counts import Counts, requests
from benchmarks.rollout.journal import Wave, waves
from benchmarks.rollout.leader import Pace
from benchmarks.rollout.place import choose
from benchmarks.rollout.simulation import Outcome
from benchmarks.rollout.store import RELEASE, Store, serving
from generator.errors import UserError

METRICS = """\
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",resource="nodes",scope="resource",verb="GET",version="v1"} 1200
apiserver_request_total{code="403",component="apiserver",resource="nodes",scope="resource",verb="GET",version="v1"} 3
apiserver_request_total{code="200",component="apiserver",resource="nodes",scope="cluster",verb="WATCH",version="v1"} 7
apiserver_request_total{code="200",component="apiserver",resource="pods",scope="cluster",verb="LIST",version="v1"} 9
apiserver_request_total{code="200",component="apiserver",resource="nodes",scope="cluster",verb="LIST",version="v1"} 10
"""


def test_requests_are_those_about_nodes_but_for_the_watch():
    assert requests(METRICS) == {"GET": 1203, "LIST": 10}


def test_a_wave_begins_where_all_that_had_their_turn_are_done():
    given = {"a": 10.0, "b": 20.0, "c": 20.5, "d": 31.0}
    done = {"a": 15.0, "b": 30.0, "c": 22.0, "d": 33.0}
    assert waves(given, done, 5.0) == [Wave(1, 5.0, 5.0), Wave(2, 15.0, 10.0), Wave(1, 26.0, 2.0)]
    assert waves({}, {}, 5.0) == []
    assert waves(given, {"a": 15.0}, 5.0) == [Wave(1, 5.0, 5.0), Wave(3, 15.0, 0.0)]  # the second one never ends


def test_releases_differ_in_what_workers_run():
    first = releases.first(releases.definition(3))
    good = releases.changed(first, releases.GOOD)
    assert first != good != releases.changed(good, releases.BAD) and f'"{releases.GOOD}"' in good


def test_the_store_counts_what_it_sends(tmp_path):
    place = choose(tmp_path)
    with serving(place) as store:
        store.publish('{"kind": "Release"}')
        with urllib.request.urlopen(f"http://127.0.0.1:{place.store}/{RELEASE}") as answer:
            assert answer.read() == b'{"kind": "Release"}'
        assert store.answers == {"200": 1} and store.bytes > len('{"kind": "Release"}')
    assert Store(tmp_path / "store").document.read_text() == '{"kind": "Release"}'


def test_costs_are_told_by_second():
    before = Counts(10.0, {"GET": 5, "POST": 2}, {"200": 1}, 0, {"etcd": 1.0})
    after = Counts(20.0, {"GET": 25, "POST": 2, "LIST": 1}, {"200": 11}, 10240, {"etcd": 2.0})
    found = {"a release": Outcome(after.since(before), (Wave(1, 2.0, 3.0),), touched=1, halted=4.0)}
    rows = {line[:24].strip(): line[24:].strip() for line in table(found).splitlines()}
    assert rows == {
        "": "a release", "seconds": "10", "API requests/s: GET": "2.0", "API requests/s: LIST": "0.1",
        "store requests/s": "1.0", "store KiB/s": "1.0", "etcd, of one CPU": "10%", "machines touched": "1",
    }  # fmt: skip
    assert list(lines(found)) == [
        "wave 1: 1 workers, begun 2 s after the release, took 3 s",
        "halted: 4.0 s after the first machine put it back",
    ]


@pytest.fixture
def images():
    for name in ("etcd", "hyperkube"):
        try:
            programs.newest(name)
        except UserError as error:
            pytest.skip(f"{error} {error.hint}")


def test_a_release_reaches_every_worker_and_a_bad_one_stops_at_the_first(images):
    definition = releases.definition(2)
    first = releases.first(definition)
    good = releases.changed(first, releases.GOOD)
    with simulation.running(definition, first, 1, 0.1, Pace(0.5, 0.5)) as cluster:
        rolled = cluster.roll_out(good)
        halted = cluster.halt(releases.changed(good, releases.BAD), 2)
    assert [wave.workers for wave in rolled.waves] == [1, 1] and rolled.touched == 2
    assert halted.touched == 1 and halted.halted < 30
    assert rolled.cost.store["200"] == 2 and rolled.cost.store["304"] >= 2 and rolled.cost.api["PATCH"] >= 6
    assert set(rolled.cost.cpu) == {"etcd", "API server", "controller"}
