"""What is seen of machines: instances by tag, and their consoles."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from providers import load
from providers.aws.machines import REREAD, Consoles
from providers.aws.session import Session

IMAGE = "ami-0a000000000000010"


@pytest.fixture
def provider():
    return load("aws")


@pytest.fixture
def start(client):
    ec2 = client("ec2")

    def run(cluster="wars", kind="t3.small", **tags):
        tags = {"anywhere-cluster": cluster} | {f"anywhere-{key}": value for key, value in tags.items()}
        specification = {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        arguments = {"ImageId": IMAGE, "InstanceType": kind, "MinCount": 1, "MaxCount": 1}
        return ec2.run_instances(**arguments, TagSpecifications=[specification])["Instances"][0]

    return run


def says(aws, text):
    output = base64.b64encode(text.encode()).decode()
    aws.answer(
        "ec2:GetConsoleOutput", f"<GetConsoleOutputResponse><output>{output}</output></GetConsoleOutputResponse>"
    )


def test_machines_by_name_and_workers_by_group(aws, provider, defined, start):
    says(aws, "anywhere: stage=ready t=42 release=0123\n")
    etcd = start(name="etcd1", role="etcd", group="etcd")
    worker = start(role="worker", group="worker-general")
    start("another", name="etcd1", role="etcd", group="etcd")
    number = worker["InstanceId"].removeprefix("i-")
    definition = defined()
    assert [machine.ssh for machine in provider.observe(definition)] == [(), ()]
    first, second = provider.observe(replace(definition, ssh_keys=("ssh-ed25519 AAAA somebody",)))
    assert (first.name, first.group, first.running, first.address) == ("etcd1", "", True, etcd["PrivateIpAddress"])
    assert (second.name, second.group) == (f"worker-general-{number}", "worker-general")
    assert first.console == second.console == "anywhere: stage=ready t=42 release=0123\n"
    assert first.ssh == (
        "ssh",
        "-o",
        f"ProxyCommand=aws ec2-instance-connect open-tunnel --instance-id {etcd['InstanceId']} --region eu-west-1",
        "-o",
        "StrictHostKeyChecking=accept-new",
        f"admin@{etcd['InstanceId']}",
    )


def test_a_machine_that_was_started_again_says_so(aws, client, provider, defined, start):
    number = start(name="etcd1", group="etcd")["InstanceId"]
    (before,), (same,) = provider.observe(defined()), provider.observe(defined())
    # At each start EC2 gives it a new time of launch, which moto does not.
    ec2_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].get_instance(number).launch_time += timedelta(hours=1)
    (after,) = provider.observe(defined())
    assert before.started == same.started != after.started


def test_stopped_machines_are_there_and_terminated_ones_are_not(aws, client, provider, defined, start):
    stopped, gone = start(name="etcd1", group="etcd"), start(name="etcd2", group="etcd")
    client("ec2").stop_instances(InstanceIds=[stopped["InstanceId"]])
    client("ec2").terminate_instances(InstanceIds=[gone["InstanceId"]])
    aws.asked.clear()
    assert [(m.name, m.running, m.console) for m in provider.observe(defined())] == [("etcd1", False, "")]
    assert aws.asked == ["ec2:DescribeInstances"]


def test_no_machines(aws, provider, defined):
    assert provider.observe(defined()) == ()
    assert aws.asked == ["ec2:DescribeInstances"]


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "InvalidInstanceID.NotFound"])
def test_a_console_that_may_not_be_read(aws, provider, defined, start, code):
    start(name="etcd1", group="etcd")
    aws.refuse("ec2:GetConsoleOutput", code, "no", 403)
    assert [m.console for m in provider.observe(defined())] == [""]


def test_a_console_that_is_throttled_keeps_its_text(aws, provider, defined, start):
    start(name="etcd1", group="etcd")
    says(aws, "anywhere: stage=boot t=1\n")
    provider.observe(defined())
    aws.refuse("ec2:GetConsoleOutput", "RequestLimitExceeded", "Request limit exceeded.", 503)
    assert [m.console for m in provider.observe(defined())] == ["anywhere: stage=boot t=1\n"]


def test_a_console_of_a_type_without_nitro(aws, provider, defined, start):
    start(name="etcd1", group="etcd")
    aws.refuse("ec2:GetConsoleOutput", "UnsupportedOperation", "Latest is for Nitro", times=1)
    assert "Linux version" in provider.observe(defined())[0].console
    assert aws.asked.count("ec2:GetConsoleOutput") == 2


def test_the_first_look_reads_all_consoles_and_later_ones_take_turns(environment, monkeypatch):
    read = []
    monkeypatch.setattr("providers.aws.machines._console", lambda session, name: read.append(name) or name)
    consoles, names = Consoles(), [f"i-{n:03}" for n in range(REREAD + 6)]
    assert consoles.read(Session("eu-west-1"), names) == {name: name for name in names}
    assert sorted(read) == names
    read.clear()
    consoles.read(Session("eu-west-1"), names)
    assert len(read) == REREAD
    consoles.read(Session("eu-west-1"), [*names, "i-new"])
    assert set(read) == {*names, "i-new"}
