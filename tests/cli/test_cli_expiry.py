"""`anywhere status` says when certificates and the bootstrap token end, wherever they are."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from generator.cli.status_view import text
from generator.kubernetes import CERTIFICATES, node_of
from generator.operations.expiry import TOKENS, Expiries, TokenEnd
from generator.pki.documents import BOOTSTRAP_GROUP
from generator.status import expiries
from tests.cli.target import NODES, run
from tests.test_kubernetes import Api

NOW = datetime.now(UTC).replace(microsecond=0)


def node(number, **ends):
    said = {f"kubelet-{kind}": (NOW + timedelta(days=days, hours=1)).isoformat() for kind, days in ends.items()}
    metadata = NODES[number]["metadata"] | {"annotations": {CERTIFICATES: json.dumps(said)}}
    return NODES[number] | {"metadata": metadata}


def token(hours, group=BOOTSTRAP_GROUP):
    end = (NOW + timedelta(hours=hours, minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    data = {"auth-extra-groups": group, "expiration": end}
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


@pytest.fixture
def cluster(nowhere, monkeypatch):
    """A cluster that was applied; the function answers with these nodes and tokens."""
    assert run("apply", "--yes", "--timeout", "20") == 0

    def has(nodes, tokens):
        answers = {"/api/v1/nodes?resourceVersion=0": {"items": nodes}, TOKENS: {"items": tokens}}
        monkeypatch.setattr(Api, "answers", Api.answers | {k: json.dumps(v).encode() for k, v in answers.items()})

    return has


def test_kubelets_and_the_token_stand_beside_what_the_store_has(cluster, capsys):
    cluster([node(0, client=80, server=61), node(1, client=70, server=90)], [token(17), token(900, "system:others")])
    capsys.readouterr()
    assert run("status") == 0
    out = capsys.readouterr().out
    assert "Certificates: the first to expire is " in out
    assert "Certificates of kubelets: the first to expire is kubelet-server of master1, in 61 days.\n" in out
    assert "The bootstrap token expires in 17 h; masters renew it twice a day.\n" in out
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    named = [each["certificate"] for each in found["certificates"]]
    assert "etcd-server" in named and "kubelet-client of worker-general-1" in named
    assert datetime.fromisoformat(found["bootstrap_token"]["at"]) > NOW


def test_a_token_that_is_gone_is_said(cluster, capsys):
    cluster([node(0), node(1)], [token(5, "system:others")])
    assert run("status") == 0
    assert "There is no valid bootstrap token" in capsys.readouterr().out


def shown(*days, token=None):
    ends = [(f"kubelet-client of worker-{n}", NOW + timedelta(days=d, hours=1)) for n, d in enumerate(days)]
    return text((), (), Expiries((), expiries(ends, NOW), token), None).splitlines()[1:]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (29, "expires in 29 days: its kubelet renews it before 9 days are left."),
        (9, "expires in 9 days: its kubelet renews it before 9 days are left."),
        (8, "expires in 8 days: `anywhere ssh worker-0 -- sudo docker logs --tail 50 kubelet` says why"),
        (-2, "expired 2 days ago: `anywhere ssh worker-0"),
    ],
)
def test_what_a_kubelet_renews_is_warned_of_a_month_ahead(days, said):
    assert shown(30) == ["Certificates of kubelets: the first to expire is kubelet-client of worker-0, in 30 days."]
    assert said in shown(days, 80)[0]


def test_of_a_thousand_kubelets_a_few_are_named():
    lines = shown(*[20] * 1000)
    assert len(lines) == 6 and lines[-1] == "Certificates of kubelets: 995 more expire in the next 30 days."


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (TokenEnd(NOW, 6), "expires in 6 h; masters renew it"),
        (TokenEnd(NOW, 5), "expires in 5 h, and no master renews it"),
        (TokenEnd(NOW, -1), "no valid bootstrap token"),
        (TokenEnd(), "no valid bootstrap token"),
    ],
)
def test_a_token_that_no_master_renews_is_warned_of(token, said):
    assert said in shown(token=token)[0]


@pytest.mark.parametrize("said", ["{", "[]", "1", '{"a": 1}', '{"a": "soon"}', '{"a": "2026-01-01T00:00:00"}', "null"])
def test_a_node_that_talks_nonsense_says_nothing(said):
    assert node_of({"metadata": {"name": "a", "annotations": {CERTIFICATES: said}}}).certificates == ()
