"""`anywhere-fetch` on GCE: run as it is, against a metadata server, Cloud Storage and Secret Manager of ours."""

import hashlib
import os
import threading

import pytest

from tests.fetch import authority, google, proxy
from tests.fetch.endpoint import Answer
from tests.fetch.machine import Machine
from tests.fetch.namespace import Namespace

# Bytes whose base64 has the characters in which the alphabets differ, and padding.
SECRET = b'{"ca.crt": "-----BEGIN\\nEND-----\\n", "password": "%s\\\\>>>???~~~"}\xfb\xff\xfe\n'
IMAGE = f"images/{'a' * 64}.tar"


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    made = Namespace(tmp_path_factory.mktemp("gce"), google.HOSTS)
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path, namespace):
    attributes = {"anywhere-cluster": "star-wars", "anywhere-documents": google.BUCKET}
    paths = {f"instance/attributes/{name}": value for name, value in attributes.items()}
    paths |= {"instance/name": "star-wars-worker-general-x7k2", "project/project-id": google.PROJECT}
    instance = google.Instance(paths | {"instance/preempted": "FALSE"} | google.account())
    services = google.Services({"release.json": b'{"release": 1}\n', IMAGE: b"image"}, {"star-wars-etcd": SECRET})
    with Machine("gce", namespace, authority.server(tmp_path, google.HOSTS), instance, services) as made:
        made.describe("worker", "worker-general")
        yield made


def paths(machine):
    return machine.metadata.service.paths


def test_document(machine):
    assert machine.have("release.json") == b'{"release": 1}\n'
    assert machine.have(IMAGE) == b"image"
    assert machine.services.seen[1].path == f"/storage/v1/b/{google.BUCKET}/o/images%2F{'a' * 64}.tar?alt=media"


def test_a_document_that_is_known_is_not_sent_again(machine, tmp_path):
    machine.have_once("release.json", b'{"release": 1}\n', tmp_path / "tag")


def test_secret_is_the_same_to_the_byte(machine):
    assert machine.have("secrets/etcd") == SECRET


def test_a_payload_in_another_alphabet_is_no_secret(machine):
    """It would be decoded to other bytes without a word."""
    machine.services.service = lambda _: Answer(200, b'{"payload": {"data": "-_-_"}}')
    done = machine.fetch("secrets/etcd")
    assert (done.returncode != 0, done.stdout) == (True, b"")


def test_no_token_is_seen_in_the_list_of_processes(machine, tmp_path):
    trace, recorder = machine.recorder(tmp_path)
    for key in ("release.json", "secrets/etcd"):
        assert machine.fetch(key, *recorder).returncode == 0
    assert "storage.googleapis.com" in trace.read_text()
    assert google.TOKEN not in trace.read_text()


def test_names(machine):
    assert machine.have("machine/name") == b"worker-general-x7k2\n"
    paths(machine)["instance/attributes/anywhere-name"] = "etcd1"
    assert machine.have("machine/name") == b"etcd1\n"
    assert machine.services.seen == []


@pytest.mark.parametrize(("preempted", "leaves"), [("FALSE", b"no\n"), ("TRUE", b"yes\n")])
def test_leaving(machine, preempted, leaves):
    paths(machine)["instance/preempted"] = preempted
    assert machine.have("machine/leaving") == leaves


def test_what_the_metadata_server_fails_to_say_is_not_taken_for_nothing(machine):
    """A machine must not rename itself because one question went wrong."""
    answer = machine.metadata.service
    machine.metadata.service = lambda request: Answer(403) if "anywhere-name" in request.path else answer(request)
    assert "the metadata server answers 403 to instance/attributes/anywhere-name" in machine.refused("machine/name")


@pytest.mark.parametrize(
    ("key", "statuses"), [("release.json", [503, 500]), ("secrets/etcd", [429]), ("machine/leaving", [])]
)
def test_passing_faults_are_outlived(machine, key, statuses):
    expected = machine.have(key)
    machine.metadata.faults = [Answer(503, b"<h1>no</h1>")]
    machine.services.faults = [google.error(status, "UNAVAILABLE", "Try again.") for status in statuses]
    assert machine.have(key) == expected
    assert machine.metadata.faults == machine.services.faults == []


def test_a_refused_connection_is_tried_again(machine):
    """The service begins to listen a moment after the machine first asks."""
    services = machine.services
    services.close()
    timer = threading.Timer(1.5, machine.serve, [services.service])
    timer.start()
    assert machine.have("release.json") == b'{"release": 1}\n'
    timer.join()


def test_large_documents_are_streamed(machine):
    """64 MB pass through 48 MB of address space a process."""
    data = os.urandom(1 << 20) * 64
    machine.services.service.objects[IMAGE] = data
    done = machine.fetch(IMAGE, "prlimit", f"--as={48 << 20}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_a_cut_document_fails_and_is_not_sent_twice(machine):
    machine.services.faults = [Answer(200, b"half", cut=4)] * 2
    done = machine.fetch(IMAGE)
    assert done.returncode != 0
    assert done.stdout == b"half"
    assert b"curl: (" in done.stderr and done.stderr.count(b"\n") == 1
    assert b"half" not in done.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (
            "secrets/kubelet",
            "NOT_FOUND: Secret [projects/1/secrets/star-wars-kubelet] not found or has no versions. (HTTP 404)",
        ),
        ("images/b.tar", f"No such object: {google.BUCKET}/images/b.tar (HTTP 404)"),
    ],
)
def test_what_is_not_there(machine, key, words):
    assert machine.refused(key) == f"anywhere-fetch {key}: {words}\n"


def test_denied(machine):
    machine.services.service.denied = {"star-wars-etcd", "release.json"}
    assert ": PERMISSION_DENIED: Permission 'secretmanager.versions.access' denied" in machine.refused("secrets/etcd")
    assert "does not have storage.objects.get access to release.json" in machine.refused("release.json")


def test_a_token_that_is_no_longer_good(machine):
    paths(machine)[google.ACCOUNT] = '{"access_token":"ya29.old","expires_in":1}'
    assert ": UNAUTHENTICATED: Request had invalid" in machine.refused("secrets/etcd")


def test_an_instance_without_a_service_account(machine):
    del paths(machine)[google.ACCOUNT]
    assert machine.refused("release.json") == "anywhere-fetch release.json: this machine has no service account\n"


def test_attributes_that_are_not_in_the_metadata(machine):
    del paths(machine)["instance/attributes/anywhere-documents"]
    assert "no attribute anywhere-documents" in machine.refused("release.json")


def test_a_metadata_server_that_refuses(machine):
    machine.metadata.service = lambda _: Answer(403)
    assert "the metadata server answers 403 to " in machine.refused("secrets/etcd")


def test_behind_a_proxy_documents_come_directly_where_they_can(machine):
    with proxy.behind(machine) as server:
        assert machine.have("release.json") == b'{"release": 1}\n'
        assert machine.have("secrets/etcd") == SECRET
        assert server.seen == []


def test_behind_a_proxy_documents_come_through_it_where_nothing_else_leads_there(machine):
    with proxy.behind(machine) as server:
        machine.services.close()
        assert machine.have("secrets/etcd") == SECRET
        assert machine.have(IMAGE) == b"image"
        assert machine.have("machine/leaving") == b"no\n"
        assert server.seen == ["secretmanager.googleapis.com:443", "storage.googleapis.com:443"]
