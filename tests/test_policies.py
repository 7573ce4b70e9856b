"""The permissions that docs/aws.md and docs/gce.md hand out, against what is asked of the clouds."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from providers.gce.preflight import APIS
from tests.iam import allowed

ROOT = Path(__file__).parent.parent
POLICIES = ROOT / "examples" / "policies"
VALUES = {"CLUSTER": "star-wars", "REGION": "eu-west-1", "ACCOUNT": "123456789012", "STATE": "my-clusters-state"}
HERE = {"aws:RequestedRegion": "eu-west-1"}
SERVICES = {
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
ACTIONS = {"s3:HeadBucket": "s3:ListBucket", "s3:ListObjectsV2": "s3:ListBucket"}
RESOURCES = {"s3": "arn:aws:s3:::star-wars-documents-123456789012/release.json"}
# Of Terraform's resources, by the service that makes them; what has no prefix here is EC2's.
PREFIXES = {
    "aws_autoscaling_": "autoscaling",
    "aws_iam_": "iam",
    "aws_kms_": "kms",
    "aws_lb": "elasticloadbalancing",
    "aws_s3_": "s3",
    "aws_secretsmanager_": "secretsmanager",
}


@pytest.fixture(scope="module")
def policy():
    text = (POLICIES / "aws.json").read_text()
    for name, value in VALUES.items():
        text = text.replace(name, value)
    return json.loads(text)


def asked():
    """The actions of every request that the adapter makes by name."""
    for path in (ROOT / "providers" / "aws").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("call", "items"):
                words = [word.value for word in node.args[:2] if isinstance(word, ast.Constant)]
                if len(words) == 2:
                    service, operation = words
                    title = "".join(part.title() for part in operation.split("_")).replace("Aws", "AWS")
                    action = f"{SERVICES.get(service, service)}:{title}"
                    yield ACTIONS.get(action, action)


def test_it_allows_every_request_of_the_adapter(policy):
    actions = set(asked())
    assert len(actions) > 30 and "ec2:DescribeInstances" in actions
    resources = {action: RESOURCES.get(action.partition(":")[0], "*") for action in actions}
    assert [each for each in sorted(actions) if not allowed([policy], each, resources[each], HERE)] == []


def test_it_has_every_service_that_terraform_uses(policy):
    text = "\n".join(path.read_text() for path in (ROOT / "modules" / "aws").glob("*.tf"))
    kinds = set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE))
    services = {next((s for prefix, s in PREFIXES.items() if kind.startswith(prefix)), "ec2") for kind in kinds}
    named = {action.partition(":")[0] for each in policy["Statement"] for action in [*each["Action"]] if ":" in action}
    named |= {each["Action"].partition(":")[0] for each in policy["Statement"] if isinstance(each["Action"], str)}
    assert services <= named


def test_nothing_of_others_is_in_reach(policy):
    for action, resource in (
        ("s3:GetObject", "arn:aws:s3:::payroll/2026.csv"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:payroll/key"),
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/admin"),
        ("iam:CreateUser", "arn:aws:iam::123456789012:user/me"),
        ("iam:AttachRolePolicy", "arn:aws:iam::123456789012:role/star-wars-master"),
    ):
        assert not allowed([policy], action, resource, HERE), action
    assert not allowed([policy], "ec2:RunInstances", "*", {"aws:RequestedRegion": "us-east-1"})


def test_a_role_is_given_to_machines_alone(policy):
    role = "arn:aws:iam::123456789012:role/star-wars-master"
    assert allowed([policy], "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
    assert not allowed([policy], "iam:PassRole", role, {"iam:PassedToService": "lambda.amazonaws.com"})


def test_it_fits_into_a_managed_policy(policy):
    assert len(re.sub(r"\s", "", json.dumps(policy))) <= 6144


def test_googles_apis_are_enabled_and_every_role_is_bound(tmp_path):
    log = tmp_path / "log"
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    gcloud.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [POLICIES / "gce.sh", "my-project", "user:me@example.com"]
    subprocess.run(command, env=environment, check=True)
    enabled, *bound = log.read_text().splitlines()
    assert all(f"{api}.googleapis.com" in enabled for api in APIS)
    assert all("--member user:me@example.com --role roles/" in line for line in bound) and len(bound) == 6
    page = (ROOT / "docs" / "gce.md").read_text()
    assert [role for role in re.findall(r"--role (\S+)", "\n".join(bound)) if f"`{role}`" not in page] == []


def test_without_a_project_it_does_nothing():
    done = subprocess.run([POLICIES / "gce.sh", "my-project"], capture_output=True, text=True)
    assert done.returncode == 1 and "usage:" in done.stderr
