"""`anywhere-fetch` on AWS: run as it is, against IMDSv2, S3 and Secrets Manager that check what it sends."""

import datetime
import hashlib
import itertools
import json
import os
import re
import threading

import boto3
import pytest
from botocore.credentials import Credentials

from tests.fetch import amazon, authority, proxy
from tests.fetch.endpoint import Answer
from tests.fetch.machine import MODULES, Machine
from tests.fetch.namespace import Namespace

KEYS = Credentials("ASIAEXAMPLE", "secret/key+with/all0of=them", "session//token+of/the==role")
SECRET = json.dumps({"ca.crt": "-----BEGIN\nCERTIFICATE-----\n", "password": 'p"\\n%s\\\\ü$(id)'}, ensure_ascii=False)
IMAGE = f"images/{'a' * 64}.tar"


@pytest.fixture(scope="module")
def backend():
    """moto's S3 and Secrets Manager with the documents of a cluster: host:port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"region_name": amazon.REGION, "endpoint_url": f"http://{host}:{port}"}
    given |= {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    s3 = boto3.client("s3", **given)
    s3.create_bucket(Bucket=amazon.BUCKET, CreateBucketConfiguration={"LocationConstraint": amazon.REGION})
    s3.put_object(Bucket=amazon.BUCKET, Key="release.json", Body=b'{"release": 1}\n')
    boto3.client("secretsmanager", **given).create_secret(Name="star-wars/etcd", SecretString=SECRET)
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def namespace(tmp_path_factory):
    made = Namespace(tmp_path_factory.mktemp("aws"), amazon.HOSTS + amazon.CHINESE)
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path, namespace, backend):
    tags = {"anywhere-cluster": "star-wars", "anywhere-documents": amazon.BUCKET}
    paths = {f"tags/instance/{name}": value for name, value in tags.items()}
    paths |= {"instance-id": "i-0abc", "placement/region": amazon.REGION, "services/domain": "amazonaws.com"}
    instance, services = amazon.Instance(paths | amazon.role(KEYS)), amazon.Services(KEYS, backend)
    with Machine(
        "aws", namespace, authority.server(tmp_path, amazon.HOSTS + amazon.CHINESE), instance, services
    ) as made:
        made.describe("worker", "worker-general")
        yield made


def paths(machine):
    return machine.metadata.service.paths


def test_document(machine):
    assert machine.have("release.json") == b'{"release": 1}\n'
    (request,) = machine.services.seen
    assert (request.method, request.host, request.path) == ("GET", amazon.HOSTS[0], "/release.json")
    assert [seen.method for seen in machine.metadata.seen[:2]] == ["PUT", "GET"]


def test_a_document_that_is_known_is_not_sent_again(machine, tmp_path):
    machine.have_once("release.json", b'{"release": 1}\n', tmp_path / "tag")


def test_secret_is_the_same_to_the_byte(machine):
    assert machine.have("secrets/etcd") == SECRET.encode()
    assert json.loads(machine.services.seen[0].body) == {"SecretId": "star-wars/etcd"}


@pytest.mark.parametrize("wrong", ["access_key", "secret_key", "token"])
@pytest.mark.parametrize("key", ["release.json", "secrets/etcd"])
def test_the_check_of_signatures_refuses_other_credentials(machine, key, wrong):
    """That what is fetched above is fetched by a signature that is right in each part."""
    kept = {name: getattr(KEYS, name) for name in ("access_key", "secret_key", "token")}
    paths(machine).update(amazon.role(Credentials(**kept | {wrong: "other"})))
    said = machine.refused(key)
    assert any(code in said for code in ("InvalidAccessKeyId", "Signature", "InvalidToken", "UnrecognizedClient"))


def test_no_credential_is_seen_in_the_list_of_processes(machine, tmp_path):
    trace, recorder = machine.recorder(tmp_path)
    for key in ("release.json", "secrets/etcd"):
        assert machine.fetch(key, *recorder).returncode == 0
    seen = trace.read_text()
    assert "aws:amz:eu-central-1:s3" in seen
    for secret in (KEYS.access_key, KEYS.secret_key, KEYS.token, *machine.metadata.service.tokens):
        assert secret not in seen


def test_names(machine):
    assert machine.have("machine/name") == b"worker-general-0abc\n"
    paths(machine)["tags/instance/anywhere-name"] = "etcd1"
    assert machine.have("machine/name") == b"etcd1\n"
    assert machine.services.seen == []


@pytest.mark.parametrize(
    ("path", "value", "leaves"),
    [
        ("autoscaling/target-lifecycle-state", "InService", b"no\n"),
        ("autoscaling/target-lifecycle-state", "Terminated", b"yes\n"),
        ("spot/instance-action", '{"action": "terminate", "time": "2026-11-24T09:00:00Z"}', b"yes\n"),
        ("unrelated", "", b"no\n"),
    ],
)
def test_leaving(machine, path, value, leaves):
    paths(machine)[path] = value
    assert machine.have("machine/leaving") == leaves


def test_what_the_metadata_service_fails_to_say_is_not_taken_for_nothing(machine):
    """A machine must not rename itself because one question went wrong."""
    paths(machine)["tags/instance/anywhere-name"] = "etcd1"
    answer = machine.metadata.service
    machine.metadata.service = lambda request: Answer(401) if "tags" in request.path else answer(request)
    assert "the metadata service answers 401 to tags/instance/anywhere-name" in machine.refused("machine/name")


@pytest.mark.parametrize(
    ("key", "statuses"), [("release.json", [503, 500]), ("secrets/etcd", [429]), ("machine/name", [])]
)
def test_passing_faults_are_outlived(machine, key, statuses):
    expected = machine.have(key)
    machine.metadata.faults = [Answer(503, b"<h1>no</h1>")]
    machine.services.faults = [Answer(status, b"<Error><Code>SlowDown</Code></Error>") for status in statuses]
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
    machine.services.service = lambda _: Answer(200, data)
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


def test_a_service_that_cannot_be_reached_is_named_with_curls_reason(machine):
    machine.services.close()
    said = machine.refused("release.json")
    assert re.fullmatch(r"anywhere-fetch release.json: curl: \(7\) Failed to connect to .*\n", said)


def test_a_redirect_is_no_document(machine):
    machine.services.faults = [Answer(301, b"", {"Location": "https://elsewhere/"})] * 2
    assert "301" in machine.refused("release.json")


def test_a_stall_outlasts_the_time_for_retries():
    """curl counts a stall as worth a retry, which would send the beginning twice."""
    for target in ("aws", "gce"):
        words = (MODULES / target / "anywhere-target").read_text().split()
        value = dict(itertools.pairwise(words))
        assert int(value["--speed-time"]) > int(value["--retry-max-time"])


@pytest.mark.parametrize("key", ["release.json", "secrets/etcd"])
def test_a_wrong_clock_is_named(machine, key):
    machine.services.service.ahead = datetime.timedelta(minutes=16)
    said = machine.refused(key)
    assert "RequestTimeTooSkewed: " in said or "InvalidSignatureException: Signature expired" in said
    assert "This machine's clock: " in said


def test_a_signature_that_is_wrong_is_not_put_on_the_clock(machine):
    paths(machine).update(amazon.role(Credentials(KEYS.access_key, "other", KEYS.token)))
    assert "clock" not in machine.refused("release.json")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("secrets/kubelet", "ResourceNotFoundException: Secrets Manager can't find the specified secret. (HTTP 404)"),
        (IMAGE, "NoSuchKey: The specified key does not exist. (HTTP 404)"),
    ],
)
def test_what_is_not_there(machine, key, words):
    assert machine.refused(key) == f"anywhere-fetch {key}: {words}\n"


@pytest.mark.parametrize("key", ["release.json", "secrets/etcd"])
def test_expired_credentials(machine, key):
    machine.services.service.expired = True
    assert ": ExpiredToken" in machine.refused(key)


def test_denied(machine):
    words = "User: arn:aws:sts::1:assumed-role/star-wars-worker/i-0abc is not authorized to perform: s3:GetObject"
    body = f"<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>".encode()
    machine.services.service = lambda _: Answer(403, body)
    assert machine.refused("release.json") == f"anywhere-fetch release.json: AccessDenied: {words} (HTTP 403)\n"


def test_an_instance_without_a_role(machine):
    for path in amazon.role(KEYS):
        del paths(machine)[path]
    assert machine.refused("release.json") == "anywhere-fetch release.json: this machine has no role\n"


def test_a_role_that_cannot_be_assumed(machine):
    said = {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role star-wars-worker."}
    paths(machine)["iam/security-credentials/star-wars-worker"] = json.dumps(said)
    assert "role star-wars-worker gives no credentials: AssumeRoleUnauthorizedAccess EC2" in machine.refused(
        "secrets/etcd"
    )


def test_tags_that_are_not_in_the_metadata(machine):
    del paths(machine)["tags/instance/anywhere-documents"]
    assert "no tag anywhere-documents" in machine.refused("release.json")


def test_a_metadata_service_that_is_off(machine):
    machine.metadata.service = lambda _: Answer(403)
    assert "the metadata service at 169.254.169.254 gives no token" in machine.refused("machine/name")


@pytest.mark.parametrize("key", ["release.json", "secrets/etcd"])
def test_names_of_services_in_china(machine, key):
    paths(machine)["services/domain"] = "amazonaws.com.cn"
    machine.services.service = lambda _: Answer(403)
    machine.refused(key)
    assert machine.services.seen[0].host == amazon.HOSTS[key.startswith("secrets/")] + ".cn"


def test_throttled_by_secrets_manager(machine):
    """That is a 400, which curl does not try again: the agent's next pass does."""
    machine.services.service = lambda _: Answer(400, b'{"__type":"ThrottlingException","Message":"Rate exceeded"}')
    words = "ThrottlingException: Rate exceeded (HTTP 400)"
    assert machine.refused("secrets/etcd") == f"anywhere-fetch secrets/etcd: {words}\n"


def test_behind_a_proxy_documents_come_directly_where_they_can(machine):
    with proxy.behind(machine) as server:
        assert machine.have("release.json") == b'{"release": 1}\n'
        assert machine.have("secrets/etcd") == SECRET.encode()
        assert server.seen == []


def test_behind_a_proxy_documents_come_through_it_where_nothing_else_leads_there(machine):
    with proxy.behind(machine) as server:
        machine.services.close()
        assert machine.have("release.json") == b'{"release": 1}\n'
        assert machine.have("secrets/etcd") == SECRET.encode()
        assert server.seen == [f"{host}:443" for host in amazon.HOSTS]
