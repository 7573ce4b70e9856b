"""moto behind real HTTP, one server for all tests, emptied before each; and faults that moto cannot make."""

import json
import os
import re
from io import BytesIO
from threading import Thread
from urllib.parse import parse_qs

import pytest

REGION = "eu-west-1"
ACCOUNT = "123456789012"  # moto's

# Debian's images, two of each architecture, as its account publishes them.
AMIS = [
    {
        "ami_id": f"ami-0{'a' if arch == 'x86_64' else 'b'}{age:0>15}",
        "name": f"debian-13-{name}-2026{age}01-1",
        "description": "Debian 13",
        "owner_id": "136693071363",
        "public": True,
        "virtualization_type": "hvm",
        "architecture": arch,
        "state": "available",
        "image_type": "machine",
        "hypervisor": "xen",
        "root_device_type": "ebs",
        "root_device_name": "/dev/xvda",
        "creation_date": f"2026-{age}-01T00:00:00.000Z",
    }
    for name, arch in (("amd64", "x86_64"), ("arm64", "arm64"))
    for age in ("09", "10")
]


class Faults:
    """A WSGI application in front of moto that answers some requests by itself, as AWS does."""

    def __init__(self, application):
        self.application = application
        self.reset()

    def reset(self):
        self.answers = {}
        self.asked = []
        self.date = None

    def refuse(self, action, code, message="", status=400, times=None):
        """Answer `service:Action` with an error of AWS, `times` times or always."""
        self.answers[action] = [lambda kind, service: error(kind, service, code, message), status, times]

    def answer(self, action, body, status=200, times=None):
        """Answer `service:Action` with a JSON value, or XML."""
        self.answers[action] = [
            lambda kind, service: body if isinstance(body, str) else json.dumps(body),
            status,
            times,
        ]

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/moto-api"):
            return self.application(environ, start_response)
        kind, service, action = request(environ)
        self.asked.append(f"{service}:{action}")
        found = self.answers.get(f"{service}:{action}") or self.answers.get(f"{service}:*") or self.answers.get("*:*")
        if not found or found[2] == 0:
            return self.application(environ, start_response)
        if found[2]:
            found[2] -= 1
        body = b"" if environ["REQUEST_METHOD"] == "HEAD" else found[0](kind, service).encode()
        content = "application/x-amz-json-1.1" if kind == "json" else "text/xml"
        headers = [("Content-Type", content), ("Content-Length", str(len(body)))]
        start_response(f"{found[1]} Refused", headers)
        return [body]


def request(environ):
    """Protocol (json, query, rest), service and action of a signed request."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope[1] if scope else "?"
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return "json", service, target.rpartition(".")[2]
    if service == "s3":
        query = environ["QUERY_STRING"].partition("=")[0].partition("&")[0]
        return "rest", service, f"{environ['REQUEST_METHOD']} {query}".strip()
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return "query", service, parse_qs(body.decode()).get("Action", ["?"])[0]


def error(kind, service, code, message):
    if kind == "json":
        return json.dumps({"__type": code, "message": message})
    inner = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if service == "ec2":
        return f"<Response><Errors>{inner}</Errors><RequestID>r</RequestID></Response>"
    if kind == "rest":
        return inner
    return f"<ErrorResponse>{inner}<RequestId>r</RequestId></ErrorResponse>"


@pytest.fixture(scope="session")
def served():
    """Its address, and the faults that stand before it."""
    from moto.ec2.models import amis
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    amis.AMIS = AMIS
    os.environ["MOTO_AMIS_PATH"] = "these"  # moto then adds none of Amazon's
    faults = Faults(DomainDispatcherApplication(create_backend_app))

    class Handler(MotoRequestHandler):
        def log(self, kind, message, *arguments):
            pass

        def date_time_string(self, timestamp=None):
            return super().date_time_string(faults.date or timestamp)

    server = make_server("127.0.0.1", 0, faults, threaded=True, request_handler=Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.port}", faults
    server.shutdown()


@pytest.fixture(scope="session", autouse=True)
def models():
    """botocore's descriptions of AWS, read once for all sessions: each takes its own time to read them."""
    import botocore.loaders

    loader = botocore.loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.loaders.create_loader", lambda paths=None: loader)
        yield


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """No credentials and no configuration but what a test gives."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return monkeypatch


@pytest.fixture
def aws(served, environment):
    """The faults of an empty AWS that the environment leads to."""
    from urllib.request import Request, urlopen

    url, faults = served
    faults.reset()
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).read()
    environment.setenv("AWS_ENDPOINT_URL", url)
    environment.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # What moto does not have.
    faults.answer("servicequotas:GetServiceQuota", {"Quota": {"Value": 64.0}})
    endpoints = "<instanceConnectEndpointSet/>"
    faults.answer("ec2:DescribeInstanceConnectEndpoints", f"<Response>{endpoints}</Response>")
    return faults


@pytest.fixture
def client(aws):
    """boto3 clients by name, to make things with."""
    import boto3

    def make(service, region=REGION):
        return boto3.client(service, region_name=region)

    return make


DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: wars}}
spec:
  kubernetes: {{version: v1.37.2}}
  etcd: {{count: 3, size: small}}
  masters: {{count: 1, size: medium}}
  workers: {workers}
providers:
  aws: {aws}
"""


@pytest.fixture
def defined(tmp_path):
    """Definitions of a cluster `wars`, by their `providers.aws` and their workers."""
    from generator import schema

    def make(workers=3, **section):
        given = {"region": REGION, "admin_cidrs": ["203.0.113.0/24"], **section}
        path = tmp_path / "cluster.yaml"
        path.write_text(
            DEFINITION.format(workers=json.dumps({"count": 3} if workers == 3 else workers), aws=json.dumps(given))
        )
        return schema.load(path)

    return make


@pytest.fixture
def locked():
    """A lock with facts of AWS, and nothing else."""
    from generator.lock import Lock

    return lambda facts: Lock("v1.37.2", "weave", {}, None, {}, {"aws": facts} if facts else {})


@pytest.fixture
def provider():
    from providers import load

    return load("aws")


@pytest.fixture
def checked(provider, defined):
    """The checks of a definition, by subject."""

    from generator import topology

    def check(definition=None):
        definition = definition or defined()
        machines = topology.lay_out(definition, topology.blocks(definition, {}))
        return {check.subject: check for check in provider.preflight(definition, machines)}

    return check


@pytest.fixture
def existing(client):
    """A VPC of the user's, with one private subnet and no way out of it."""
    ec2 = client("ec2")
    name = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=name, CidrBlock="10.20.0.0/24", AvailabilityZone="eu-west-1b")["Subnet"]
    return {"id": name, "subnets": [subnet["SubnetId"]]}


@pytest.fixture
def routed(client, existing):
    """The same; its default route leads to a transit gateway."""
    ec2 = client("ec2")
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    filters = [{"Name": "vpc-id", "Values": [existing["id"]]}]
    (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", TransitGatewayId=gateway)
    return existing


@pytest.fixture
def lock_file(tmp_path, locked):
    """Write the lock beside the definition."""
    from generator import lock

    return lambda facts: lock.write(tmp_path / "cluster.lock.yaml", locked(facts))
