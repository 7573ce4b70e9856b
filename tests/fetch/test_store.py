"""`anywhere-store` of every target: run as it is, against services that check what it sends."""

import contextlib
import datetime
import hashlib
import json
import os

import boto3
import pytest
from botocore.credentials import Credentials

from providers.local import metadata
from providers.local.container import forward
from tests.fetch import amazon, authority, google
from tests.fetch.endpoint import Answer
from tests.fetch.machine import Machine, Programs
from tests.fetch.namespace import Namespace

KEYS = Credentials("ASIAEXAMPLE", "secret/key+with/all0of=them", "session//token+of/the==role")
SNAPSHOT = "etcd/snapshots/20261124T080000Z.age"
BUCKET = "galaxy-documents"  # moto has one S3 for all that run in a process
HOST = f"{BUCKET}.s3.{amazon.REGION}.amazonaws.com"
ADDRESSES = (f"127.0.1.{number}" for number in range(1, 255))


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    made = Namespace(tmp_path_factory.mktemp("store"), (HOST, *google.HOSTS))
    yield made
    made.close()


@contextlib.contextmanager
def aws(folder, namespace):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"region_name": amazon.REGION, "endpoint_url": f"http://{host}:{port}"}
    s3 = boto3.client("s3", **given, aws_access_key_id="testing", aws_secret_access_key="testing")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": amazon.REGION})
    paths = {"tags/instance/anywhere-documents": BUCKET, "placement/region": amazon.REGION}
    paths |= {"services/domain": "amazonaws.com"} | amazon.role(KEYS)
    services = amazon.Services(KEYS, f"{host}:{port}")
    with Machine("aws", namespace, authority.server(folder, (HOST,)), amazon.Instance(paths), services) as machine:
        machine.describe("etcd", "etcd")
        yield machine
    for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    s3.delete_bucket(Bucket=BUCKET)
    server.stop()


@contextlib.contextmanager
def gce(folder, namespace):
    instance = google.Instance({"instance/attributes/anywhere-documents": google.BUCKET} | google.account())
    services = google.Services({}, {})
    with Machine("gce", namespace, authority.server(folder, google.HOSTS), instance, services) as machine:
        machine.describe("etcd", "etcd")
        yield machine


@contextlib.contextmanager
def local(folder, namespace):
    """The metadata service as a system container has it; `metadata.main` is the same behind QEMU."""
    (folder / "keepers.json").write_text('{"roles": ["etcd"]}')

    def answer(connection):
        with connection.makefile("rb") as request:
            metadata.answer(request, connection.fileno(), folder, "etcd", folder / "images")

    address = next(ADDRESSES)
    forward.serve(namespace.listen(address, 80), answer)  # until the process ends
    programs = Programs("local", namespace, folder / "no-authority")
    programs.describe("etcd", "etcd", address)
    yield programs


@pytest.fixture(params=[aws, gce, local], ids=lambda target: target.__name__)
def machine(request, tmp_path, namespace):
    with request.param(tmp_path, namespace) as made:
        yield made


@pytest.fixture(params=[aws, gce], ids=lambda target: target.__name__)
def in_cloud(request, tmp_path, namespace):
    with request.param(tmp_path, namespace) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def test_what_is_put_is_read_back(machine, file):
    assert machine.stored("put", SNAPSHOT, str(file)) == ""
    assert machine.have(SNAPSHOT) == file.read_bytes()


def test_a_snapshot_is_replaced_and_removed(machine, file):
    machine.stored("put", SNAPSHOT, str(file))
    file.write_bytes(b"another")
    machine.stored("put", SNAPSHOT, str(file))
    assert machine.have(SNAPSHOT) == b"another"
    machine.stored("remove", SNAPSHOT)
    assert machine.stored("names", "etcd/snapshots/") == ""
    machine.stored("remove", SNAPSHOT)


def test_what_is_put_once_stays(machine, file):
    """Whoever comes second is not told: it reads what is there."""
    file.write_bytes(b"first")
    machine.stored("put-once", "etcd/cluster", str(file))
    file.write_bytes(b"second")
    machine.stored("put-once", "etcd/cluster", str(file))
    assert machine.have("etcd/cluster") == b"first"


def test_names_are_those_below_a_folder(machine, file):
    assert machine.stored("names", "etcd/") == ""
    for key in ("etcd/cluster", "etcd/snapshots/2.age", "etcd/snapshots/1.age"):
        machine.stored("put-once", key, str(file))
    assert machine.stored("names", "etcd/snapshots/") == "etcd/snapshots/1.age\netcd/snapshots/2.age\n"
    assert "etcd/cluster" in machine.stored("names", "etcd/").splitlines()


def test_large_files_are_streamed(machine, tmp_path):
    """64 MB pass through 48 MB of address space a process."""
    data = os.urandom(1 << 20) * 64
    (tmp_path / "large").write_bytes(data)
    done = machine.store("put", SNAPSHOT, str(tmp_path / "large"), before=("prlimit", f"--as={48 << 20}"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(machine.have(SNAPSHOT)).digest() == hashlib.sha256(data).digest()


def test_nothing_is_left_of_an_answer(machine, file, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    before = ("env", f"TMPDIR={temporary}")
    assert machine.store("put", SNAPSHOT, str(file), before=before).returncode == 0
    assert machine.store("names", "etcd/snapshots/", before=before).returncode == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("key", ["release.json", "etcd/../release.json", "secrets/etcd"])
def test_a_document_is_not_written_locally(tmp_path, namespace, file, key):
    with local(tmp_path, namespace) as machine:
        assert "(HTTP 40" in machine.unstored("put", key, str(file))
        assert "(HTTP 40" in machine.unstored("remove", key)
        assert not (tmp_path / "stored").exists()


def test_refusals_are_in_the_services_words(in_cloud, file):
    denied = b"<Error><Code>AccessDenied</Code><Message>You may not.</Message></Error>"
    if in_cloud.target == "gce":
        denied = google.error(403, "AccessDenied", "You may not.").body
    in_cloud.services.service = lambda _: Answer(403, denied)
    for arguments in (("put", SNAPSHOT, str(file)), ("names", "etcd/"), ("remove", SNAPSHOT)):
        said = in_cloud.unstored(*arguments)
        assert said == f"anywhere-store {arguments[1]}: AccessDenied: You may not. (HTTP 403)\n"


def test_passing_faults_are_outlived(in_cloud, file):
    in_cloud.metadata.faults = [Answer(503)]
    in_cloud.services.faults = [Answer(503, b"<Error><Code>SlowDown</Code></Error>"), Answer(500)]
    in_cloud.stored("put", SNAPSHOT, str(file))
    in_cloud.services.faults = [Answer(503, b"<ListBucketResult><Key>etcd/x</Key>")]
    assert in_cloud.stored("names", "etcd/snapshots/") == f"{SNAPSHOT}\n"
    assert in_cloud.services.faults == []


def test_more_names_than_one_answer_has_are_an_error(in_cloud):
    more = b"<ListBucketResult><IsTruncated>true</IsTruncated><Key>etcd/1</Key></ListBucketResult>"
    if in_cloud.target == "gce":
        more = json.dumps({"nextPageToken": "x", "items": [{"name": "etcd/1"}]}).encode()
    in_cloud.services.service = lambda _: Answer(200, more)
    assert "more than a thousand" in in_cloud.unstored("names", "etcd/")


def test_a_service_that_cannot_be_reached_is_named_with_curls_reason(tmp_path, namespace, file):
    with gce(tmp_path, namespace) as machine:
        machine.services.close()
        assert ": curl: (7) Failed to connect to " in machine.unstored("put", SNAPSHOT, str(file))


def test_no_credential_is_seen_in_the_list_of_processes(in_cloud, file, tmp_path):
    trace, recorder = in_cloud.recorder(tmp_path)
    assert in_cloud.store("put", SNAPSHOT, str(file), before=tuple(recorder)).returncode == 0
    seen = trace.read_text()
    assert "--upload-file" in seen
    for secret in (KEYS.access_key, KEYS.secret_key, KEYS.token, google.TOKEN):
        assert secret not in seen


@pytest.mark.parametrize("wrong", ["access_key", "secret_key", "token"])
def test_the_check_of_signatures_refuses_other_credentials(tmp_path, namespace, file, wrong):
    kept = {name: getattr(KEYS, name) for name in ("access_key", "secret_key", "token")}
    with aws(tmp_path, namespace) as machine:
        machine.metadata.service.paths.update(amazon.role(Credentials(**kept | {wrong: "other"})))
        for arguments in (("put", SNAPSHOT, str(file)), ("names", "etcd/"), ("remove", SNAPSHOT)):
            said = machine.unstored(*arguments)
            assert any(code in said for code in ("InvalidAccessKeyId", "Signature", "InvalidToken"))


def test_a_wrong_clock_is_named(tmp_path, namespace, file):
    with aws(tmp_path, namespace) as machine:
        machine.services.service.ahead = datetime.timedelta(minutes=16)
        said = machine.unstored("put", SNAPSHOT, str(file))
        assert "RequestTimeTooSkewed: " in said and "This machine's clock: " in said
