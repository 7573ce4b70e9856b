"""The agent's client of etcd: towards a server in memory, and the same towards real members where they are built."""

import ssl
import threading
from types import SimpleNamespace

import pytest
import real_etcd
from agent import bundle, etcd
from agent.etcd import Silent
from agent.host import NodeError
from etcd_gateway import Cluster, serve
from etcd_keys import Authority

MEMBERS = ("etcd1", "etcd2", "etcd3")
BASE = real_etcd.base(1)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("etcd")
    cluster = real_etcd.Cluster(real_etcd.program(folder), folder)
    try:
        members = ",".join(f"{member}=https://{cluster.host(member)}:2380" for member in MEMBERS)
        for member in MEMBERS:
            cluster.start(member, members)
        cluster.wait(*MEMBERS)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """`trusted(authority, client)` gives the agent its certificates; it finds members where `hosts` says."""
    monkeypatch.setattr(etcd, "FILES", tmp_path / "client")

    def use(authority, client, host):
        files = dict(zip(("ca.crt", "client.crt", "client.key"), (authority.ca, *client), strict=True))
        monkeypatch.setattr(bundle, "secrets", lambda release, component: files)
        monkeypatch.setattr(etcd, "host_of", host)

    return use


@pytest.fixture
def gateway(trusted, tmp_path):
    """Three members in memory, each with a server of its own."""
    authority, servers = Authority(), {}
    addresses = {member: f"{BASE}.{number}" for number, member in enumerate(MEMBERS, 1)}
    trusted(authority, authority.client(), addresses.__getitem__)
    cluster = Cluster(*MEMBERS)

    def start(member, days=1, name=""):
        certificate, key = authority.server([addresses[name or member]], days)
        (tmp_path / "server.pem").write_text(certificate + key)
        (tmp_path / "ca.pem").write_text(authority.ca)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_cert_chain(tmp_path / "server.pem")
        servers[member] = serve(cluster, member, (addresses[member], etcd.PORT), tls)

    def stop(member):
        server = servers.pop(member)
        server.shutdown()
        server.server_close()

    for member in MEMBERS:
        start(member)
    yield SimpleNamespace(
        authority=authority, cluster=cluster, servers=servers, start=start, stop=stop, trusted=trusted
    )
    for member in list(servers):
        stop(member)


@pytest.fixture(params=["memory", "real"])
def client(request):
    """A client of three members; both kinds must do the same."""
    if request.param == "real":
        cluster = request.getfixturevalue("real")
        request.getfixturevalue("trusted")(cluster.authority, cluster.client, cluster.host)
    else:
        request.getfixturevalue("gateway")
    found = connect(*MEMBERS)
    for key in found.all("/"):
        found.delete(key)
    return found


def connect(*members, first="", role="etcd"):
    return etcd.connect({"etcd": {"members": list(members)}}, role, first)


def test_keys_are_written_read_listed_and_deleted(client):
    assert client.get("/a/1") is None and client.all("/a/") == {}
    client.put("/a/1", "one")
    client.put("/a/2", "zwölf €")
    client.put("/a/3", "")
    client.put("/b", "other")
    assert client.get("/a/1") == "one" and client.get("/a/3") == ""
    assert client.all("/a/") == {"/a/1": "one", "/a/2": "zwölf €", "/a/3": ""}
    client.put("/a/1", "two")
    client.delete("/a/2")
    client.delete("/a/2")
    assert client.all("/a/") == {"/a/1": "two", "/a/3": ""}


def test_a_key_is_not_taken_for_one_that_begins_like_it(client):
    client.put("/lock/x", "mine")
    assert client.get("/lock") is None


def test_a_claim_is_one_claimants_until_it_is_released(client):
    lease = client.claim("/lock", "one", 60)
    assert lease and client.get("/lock") == "one"
    assert client.claim("/lock", "two", 60) is None
    assert client.get("/lock") == "one" and client.renew(lease)
    client.release(lease)
    assert client.get("/lock") is None and not client.renew(lease)
    assert client.claim("/lock", "two", 60)


def test_a_claim_that_is_not_renewed_ends(client):
    lease = client.claim("/lock", "one", 1)
    real_etcd.wait(lambda: client.get("/lock") is None, "the end of the lease", 15)
    assert not client.renew(lease)


def test_of_two_claimants_at_once_one_has_it(client):
    """Each finds nothing there before either writes."""
    names = [str(number) for number in range(4)]
    for _ in range(5):
        barrier, leases = threading.Barrier(len(names)), {}

        def claim(name, barrier=barrier, leases=leases):
            own = connect(*MEMBERS)
            get = own.get
            own.get = lambda key: (get(key), barrier.wait(30))[0]
            leases[name] = own.claim("/lock", name, 60)

        threads = [threading.Thread(target=claim, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = (name for name, lease in leases.items() if lease)
        assert client.get("/lock") == winner
        client.release(leases[winner])


def test_a_claim_in_vain_leaves_no_lease_behind(gateway):
    client, get = connect(*MEMBERS), etcd.Etcd.get
    lease = client.claim("/lock", "one", 60)
    assert client.claim("/lock", "two", 60) is None
    assert [path for _, path in gateway.cluster.asked].count("/v3/lease/grant") == 1
    client.get = lambda key: None  # another was a moment faster
    assert client.claim("/lock", "two", 60) is None
    assert list(gateway.cluster.leases) == [lease] and get(client, "/lock") == "one"


def test_members_are_told_by_name_and_by_the_address_of_their_peers(client):
    found = client.members()
    assert sorted(member.name for member in found) == list(MEMBERS)
    assert {member.peer for member in found} == {etcd.peer_url(member) for member in MEMBERS}
    assert len({member.id for member in found}) == 3 and not any(member.learner for member in found)
    assert int(client.cluster()) > 0
    assert all(client.serves(etcd.host_of(member)) for member in MEMBERS)


def test_a_refusal_is_an_error_and_no_other_member_is_asked(client):
    with pytest.raises(NodeError, match="key is not provided") as caught:
        client.put("", "")
    assert not isinstance(caught.value, Silent)
    with pytest.raises(NodeError, match="404"):
        client.release("12345")


# How it reaches them: the server in memory may be anything


def test_one_that_is_down_is_passed_over_and_not_asked_again_first(gateway):
    client = connect(*MEMBERS)
    gateway.stop("etcd1")
    client.put("/a", "1")
    assert client.get("/a") == "1"
    assert {member for member, _ in gateway.cluster.asked} == {"etcd2"}
    assert not client.serves(etcd.host_of("etcd1")) and client.serves(etcd.host_of("etcd2"))


def test_the_machines_own_member_is_asked_first(gateway):
    connect(*MEMBERS, first="etcd3").get("/a")
    assert [member for member, _ in gateway.cluster.asked] == ["etcd3"]


def test_one_without_a_leader_is_passed_over(gateway):
    gateway.servers["etcd1"].answers = 503, '{"code": 14, "message": "etcdserver: no leader"}'
    client = connect(*MEMBERS)
    assert client.get("/a") is None
    assert [member for member, _ in gateway.cluster.asked] == ["etcd2"]


def test_where_none_has_a_leader_it_is_silent_and_says_what_each_said(gateway):
    for server in gateway.servers.values():
        server.answers = 503, '{"code": 14, "message": "etcdserver: no leader"}'
    with pytest.raises(Silent, match=r"1: 503 .*no leader.*2: 503 .*3: 503 "):
        connect(*MEMBERS).get("/a")


def test_where_none_is_up_it_is_silent(gateway):
    for member in MEMBERS:
        gateway.stop(member)
    with pytest.raises(Silent, match="refused"):
        connect(*MEMBERS).get("/a")
    with pytest.raises(Silent, match="it has no members"):
        connect().get("/a")


def test_what_is_no_answer_of_etcd_is_passed_over(gateway):
    gateway.servers["etcd1"].answers = 502, "<html>\ufffd"
    assert connect(*MEMBERS).get("/a") is None


def test_a_certificate_that_has_expired_is_no_obstacle(gateway):
    """A member must be reached to be given a new one."""
    gateway.stop("etcd1")
    gateway.start("etcd1", days=-1)
    client = connect("etcd1")
    client.put("/a", "1")
    assert client.get("/a") == "1" and client.serves(etcd.host_of("etcd1"))


def test_a_server_of_another_authority_is_told_nothing(gateway):
    gateway.trusted(Authority(), gateway.authority.client(), etcd.host_of)
    client = connect(*MEMBERS)
    with pytest.raises(Silent, match="certificate verify failed"):
        client.put("/a", "secret")
    assert not client.serves(etcd.host_of("etcd1")) and gateway.cluster.asked == []


def test_a_server_with_the_certificate_of_another_name_is_told_nothing(gateway):
    gateway.stop("etcd2")
    gateway.start("etcd2", name="etcd3")
    with pytest.raises(Silent, match="certificate verify failed"):
        connect("etcd2").get("/a")


def test_a_client_of_another_authority_is_refused(gateway):
    gateway.trusted(gateway.authority, Authority().client(), etcd.host_of)
    with pytest.raises(Silent):
        connect(*MEMBERS).get("/a")
    assert gateway.cluster.asked == []


@pytest.mark.parametrize("role", ["etcd", "master"])
def test_keys_of_the_client_are_for_root_alone(gateway, monkeypatch, role):
    asked = []
    texts = bundle.secrets(None, "etcd")
    names = {f"etcd-{name}": text for name, text in texts.items() if "client" in name} | {
        "etcd-ca.crt": texts["ca.crt"]
    }
    monkeypatch.setattr(bundle, "secrets", lambda release, component: asked.append(component) or {**texts, **names})
    assert connect(*MEMBERS, role=role).get("/a") is None
    assert asked == [{"etcd": "etcd", "master": "kube-apiserver"}[role]]
    files = list(etcd.FILES.iterdir())
    assert len(files) == 3 and {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert etcd.FILES.stat().st_mode & 0o777 == 0o700
