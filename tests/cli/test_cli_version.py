"""`anywhere version`: what this version is, and whether it fits the cluster."""

import json

import pytest

import generator
from generator.operations import cluster_api, release_progress
from tests.cli.target import run
from tests.test_kubernetes import Api

NAMED = f"anywhere {generator.__version__}\n"
STATUS = {"release": "0123456789ab", "left": [], "stuck": {}, "halted": [], "retired": [], "members": ["etcd1"]}


def report(**status):
    return {"kind": "ConfigMap", "data": {"status": json.dumps(status)}}


class Asked:
    """An API that says what it runs, and what its masters report."""

    def __init__(self, version, reported):
        self.answers = {"/version": {"gitVersion": version}, release_progress.STATUS: reported}

    def get(self, path):
        return self.answers[path]

    find = get

    def close(self):
        pass


@pytest.fixture
def runs(definition, monkeypatch):
    def cluster(version, reported):
        monkeypatch.setattr(cluster_api, "client", lambda path: Asked(version, reported))

    return cluster


def test_the_verb_says_what_the_option_says(home, capsys):
    assert run("version") == 0
    assert capsys.readouterr().out == NAMED


def test_a_cluster_that_is_managed(runs, capsys):
    runs("v1.36.2", report(**STATUS))
    assert run("version", "--check-cluster") == 0
    assert capsys.readouterr().out == NAMED + (
        "It manages Kubernetes v1.35, v1.36 and v1.37, and v1.34 (by an upgrade to v1.35.8).\n"
        "It manages releases of the form anywhere/v1.\n"
        "Cluster quickstart on local:\n"
        "  ok    Kubernetes v1.36.2 can be managed.\n"
        "  ok    Release 0123456789ab can be managed.\n"
    )


def test_a_cluster_that_is_too_new(runs, capsys):
    runs("v1.38.1", report(**STATUS))
    assert run("version", "--check-cluster", "cluster.yaml") == 1
    said = capsys.readouterr().out
    assert "  FAIL  Kubernetes v1.38.1 is newer than this version of anywhere knows.\n" in said
    assert "        Install the version of anywhere that last applied the cluster, or a newer one.\n" in said


@pytest.mark.parametrize("reported", [report(form="another"), {"data": {"status": "{"}}, {"data": {}}])
def test_a_report_in_another_form_is_of_a_release_that_is_not_managed(runs, reported, capsys):
    runs("v1.37.2", reported)
    assert run("version", "--check-cluster") == 1
    assert "FAIL  Its masters report on their release in a form" in capsys.readouterr().out


def test_masters_that_have_not_reported_yet_are_no_fault(runs, capsys):
    runs("v1.37.2", None)
    assert run("version", "--check-cluster") == 0
    assert "ok    No master has reported on a release yet." in capsys.readouterr().out


def test_without_a_kubeconfig_it_says_how_to_get_one(definition, capsys):
    assert run("version", "--check-cluster") == 1
    said = capsys.readouterr()
    assert said.out.startswith(NAMED + "It manages Kubernetes")
    assert "kubeconfig" in said.err and "`anywhere kubeconfig`" in said.err


def test_the_real_client_asks_the_clusters_own_api(nowhere, monkeypatch, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    known = {"/version": b'{"gitVersion": "v1.37.2"}', release_progress.STATUS: json.dumps(report(**STATUS)).encode()}
    monkeypatch.setattr(Api, "answers", Api.answers | known)
    capsys.readouterr()
    assert run("version", "--check-cluster") == 0
    assert "ok    Kubernetes v1.37.2 can be managed." in capsys.readouterr().out
