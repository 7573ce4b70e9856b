"""The stand-ins for the clouds' providers: what they accept, plan, keep and refuse, seen through Terraform itself."""

import json
import os
import re
import subprocess

import boto3
import pytest

from generator.terraform_binary import find
from tests.offline import schemas
from tests.offline.cloud import DEBIAN
from tests.offline.fixtures import inventing_env, offline_env  # noqa: F401

VERSIONS = """
terraform {
  required_providers {
    aws    = { source = "hashicorp/aws", version = ">= 6" }
    google = { source = "hashicorp/google", version = ">= 7" }
  }
}
provider "aws" {
  region = "eu-central-1"
  default_tags {
    tags = { anywhere-cluster = "demo" }
  }
}
provider "google" {
  project        = "demo-1"
  region         = "europe-west3"
  default_labels = { anywhere-cluster = "demo" }
}
"""
SECRETS = """
variable "secrets" {
  type      = map(string)
  ephemeral = true
  sensitive = true
}
resource "aws_secretsmanager_secret" "password" {
  name = "demo/weave"
}
resource "aws_secretsmanager_secret_version" "password" {
  secret_id                = aws_secretsmanager_secret.password.id
  secret_string_wo         = var.secrets["weave"]
  secret_string_wo_version = 1
}
resource "google_secret_manager_secret" "password" {
  secret_id = "demo-weave"
  replication {
    auto {}
  }
}
resource "google_secret_manager_secret_version" "password" {
  secret                 = google_secret_manager_secret.password.id
  secret_data_wo         = var.secrets["weave"]
  secret_data_wo_version = 1
}
"""
SECRET = "correct-horse-battery"
MACHINE = """
resource "aws_instance" "machine" {
  ami           = "ami-1"
  instance_type = "t3.small"
  tags          = { Name = "etcd1" }
  root_block_device {
    encrypted = true
  }
}
"""


@pytest.fixture
def terraform(tmp_path):
    """Runs Terraform on a configuration in a folder of its own."""

    def run(environment, *arguments, main=""):
        if main:
            (tmp_path / "main.tf").write_text(VERSIONS + main)
        ours = {"TF_VAR_secrets": json.dumps({"weave": SECRET}), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        command = [find(os.environ).path, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **environment, **ours}, capture_output=True, text=True
        )

    run.folder = tmp_path
    return run


def planned(terraform, environment, main):
    """The plan of a configuration, as Terraform's JSON."""
    made = terraform(environment, "plan", "-input=false", "-out=plan", main=main)
    assert made.returncode == 0, made.stderr
    return terraform(environment, "show", "-json", "plan").stdout


def after(plan, address):
    changes = json.loads(plan)["resource_changes"]
    return next(each["change"] for each in changes if each["address"] == address)


def test_both_providers_schemas_are_whole():
    for provider in schemas.PROVIDERS:
        found = schemas.load(provider)
        assert len(found["resource"]) > 1000
        assert len(found["data"]) > 400
    aws = schemas.load("aws")
    assert "secret_string" in aws["ephemeral"]["aws_secretsmanager_secret_version"]["attributes"]
    assert aws["resource"]["aws_instance"]["blocks"]["ebs_block_device"]["nesting"] == "set"
    ingress = aws["resource"]["aws_security_group"]["attributes"]["ingress"]["type"]
    assert ingress[:1] == ["set"] and ingress[1][1]["cidr_blocks"] == ["list", "string"]
    google = schemas.load("google")["resource"]
    secret = google["google_secret_manager_secret_version"]["attributes"]["secret_data_wo"]
    assert secret == {"type": "string", "optional": True, "write_only": True}
    arn = aws["resource"]["aws_instance"]["attributes"]["arn"]
    assert arn == {"type": "string", "computed": True}


def test_init_and_validate_accept_a_good_configuration_and_leave_no_lock(offline_env, terraform):  # noqa: F811
    assert terraform(offline_env, "init", "-input=false", main=MACHINE + SECRETS).returncode == 0
    valid = terraform(offline_env, "validate", "-json")
    assert json.loads(valid.stdout)["valid"], valid.stdout
    assert not (terraform.folder / ".terraform.lock.hcl").exists()


WRONG = {
    'resource "aws_vpc" "unknown" {\n colour = "red"\n}': "Unsupported argument",
    'resource "aws_instance" "unknown" {\n blockade {}\n}': "Unsupported block type",
    'resource "aws_iam_role" "lacks" {\n name = "x"\n}': "Missing required argument",
    'resource "google_compute_disk" "lacks" {\n}': "Missing required argument",
    'resource "google_secret_manager_secret" "lacks" {\n secret_id = "x"\n}': "Insufficient replication blocks",
    'resource "aws_vpc" "computed" {\n arn = "arn:aws:ec2"\n}': "arn cannot be set.",
    'resource "aws_instance" "nested" {\n root_block_device {\n volume_id = "v"\n }\n}': "volume_id cannot be set.",
    'data "aws_caller_identity" "computed" {\n account_id = "1"\n}': "account_id cannot be set.",
    'resource "aws_nonesuch" "it" {\n}': "Invalid resource type",
}


def test_validate_says_what_is_wrong(offline_env, terraform):  # noqa: F811
    found = json.loads(terraform(offline_env, "validate", "-json", main="\n".join(WRONG)).stdout)
    said = {(each["snippet"]["context"], each["summary"]) for each in found["diagnostics"]}
    assert said == {(main.partition(" {")[0], summary) for main, summary in WRONG.items()}


def test_a_plan_knows_what_can_be_known(offline_env, terraform):  # noqa: F811
    disk = 'resource "google_compute_disk" "etcd" {\n name = "etcd1"\n zone = "europe-west3-a"\n labels = {a = "b"}\n}'
    plan = planned(terraform, offline_env, MACHINE + disk)
    machine = after(plan, "aws_instance.machine")
    assert machine["after"]["region"] == "eu-central-1"
    assert machine["after"]["tags_all"] == {"Name": "etcd1", "anywhere-cluster": "demo"}
    assert machine["after_unknown"]["id"] is True
    assert machine["after_unknown"]["root_block_device"][0]["volume_id"] is True
    disk = after(plan, "google_compute_disk.etcd")["after"]
    assert disk["project"] == "demo-1"
    assert disk["effective_labels"] == {"a": "b", "anywhere-cluster": "demo"}


def test_write_only_secrets_are_in_no_plan(offline_env, terraform):  # noqa: F811
    plan = planned(terraform, offline_env, SECRETS)
    assert SECRET not in plan
    secret = after(plan, "aws_secretsmanager_secret_version.password")["after"]
    assert secret["secret_string_wo"] is None and secret["secret_string_wo_version"] == 1


@pytest.mark.parametrize("line", ["secret_string_wo", "secret_string_wo_version", "secret_data_wo"])
def test_a_write_only_value_and_its_version_require_each_other(offline_env, terraform, line):  # noqa: F811
    main = re.sub(rf"  {line} += .*\n", "", SECRETS)
    assert main != SECRETS
    refused = terraform(offline_env, "plan", main=main)
    assert refused.returncode == 1
    assert re.search(rf"\w+ requires {line}\.", refused.stderr)


REGIONAL_GROUP = """
resource "google_compute_region_instance_group_manager" "pool" {
  name                      = "pool"
  base_instance_name        = "pool"
  distribution_policy_zones = ["europe-west3-a", "europe-west3-b"]
  version {
    instance_template = "template"
  }
  update_policy {
    type           = "OPPORTUNISTIC"
    minimal_action = "REPLACE"
    SIZES
  }
}
"""


@pytest.mark.parametrize(
    ("sizes", "error"),
    [
        ("", "must be greater than 0"),
        ("max_surge_fixed = 0", "must be greater than 0"),
        ("max_surge_fixed = 1", "max_surge_fixed must be 0 or at least the number of zones"),
        ("max_unavailable_fixed = 1", "max_unavailable_fixed must be 0 or at least the number of zones"),
        ("max_surge_fixed = 2", ""),
        ("max_unavailable_percent = 10", ""),
    ],
)
def test_the_update_policy_of_a_regional_group_has_sizes_that_compute_takes(
    offline_env,  # noqa: F811
    terraform,
    sizes,
    error,
):
    planned = terraform(offline_env, "plan", main=REGIONAL_GROUP.replace("SIZES", sizes))
    assert planned.returncode == (1 if error else 0), planned.stderr
    assert error in planned.stderr


def test_apply_is_refused(offline_env, terraform):  # noqa: F811
    refused = terraform(offline_env, "apply", "-auto-approve", main=MACHINE)
    assert refused.returncode == 1
    assert "creates no aws_instance" in refused.stderr
    assert not json.loads((terraform.folder / "terraform.tfstate").read_text())["resources"]


def test_invented_resources_live_in_a_state_without_secrets(inventing_env, terraform):  # noqa: F811
    applied = terraform(inventing_env, "apply", "-auto-approve", main=MACHINE + SECRETS)
    assert applied.returncode == 0, applied.stderr
    text = (terraform.folder / "terraform.tfstate").read_text()
    assert SECRET not in text
    resources = {each["type"]: each["instances"][0]["attributes"] for each in json.loads(text)["resources"]}
    assert len(resources) == 5
    assert resources["aws_instance"]["id"].startswith("aws_instance-")
    assert resources["aws_instance"]["arn"].startswith("arn:aws:")
    assert resources["google_secret_manager_secret_version"]["secret_data_wo"] is None
    assert resources["aws_secretsmanager_secret_version"]["secret_id"] == resources["aws_secretsmanager_secret"]["id"]
    again = terraform(inventing_env, "plan", "-detailed-exitcode")
    assert again.returncode == 0, again.stdout
    assert terraform(inventing_env, "destroy", "-auto-approve").returncode == 0


def test_a_secret_in_an_ordinary_attribute_is_found_in_the_state(inventing_env, terraform):  # noqa: F811
    """Shows that the scan above can fail: what is not write-only does reach the state."""
    leak = f'resource "aws_ssm_parameter" "leak" {{\n name = "x"\n type = "SecureString"\n value = "{SECRET}"\n}}'
    assert terraform(inventing_env, "apply", "-auto-approve", main=leak).returncode == 0
    assert SECRET in (terraform.folder / "terraform.tfstate").read_text()


DOCUMENTS = """
data "aws_caller_identity" "me" {}
data "aws_partition" "here" {}
data "google_project" "here" {}
data "aws_vpc" "theirs" {
  id = "vpc-1"
}
data "aws_iam_policy_document" "base" {
  statement {
    sid       = "Replaced"
    actions   = ["*"]
    resources = ["*"]
  }
  statement {
    effect        = "Deny"
    not_actions   = ["iam:GetUser"]
    resources     = ["*"]
    not_principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::1:root", "arn:aws:iam::2:root"]
    }
  }
}
data "aws_iam_policy_document" "it" {
  source_policy_documents = [data.aws_iam_policy_document.base.json]
  statement {
    sid       = "Replaced"
    actions   = ["s3:GetObject"]
    resources = ["arn:${data.aws_partition.here.partition}:s3:::b/&{aws:username}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.me.account_id]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["a", "b"]
    }
  }
}
resource "aws_iam_policy" "late" {
  name   = "late"
  policy = data.aws_iam_policy_document.late.json
}
resource "aws_s3_bucket" "it" {}
data "aws_iam_policy_document" "late" {
  statement {
    actions   = ["s3:GetObject"]
    resources = [aws_s3_bucket.it.arn]
  }
}
output "policy" {
  value = jsondecode(data.aws_iam_policy_document.it.json)
}
output "project" {
  value = data.google_project.here.number
}
output "network" {
  value = [data.aws_vpc.theirs.id, data.aws_vpc.theirs.cidr_block]
}
"""


def test_data_sources_answer_in_the_plan(offline_env, terraform):  # noqa: F811
    plan = planned(terraform, offline_env, DOCUMENTS)
    outputs = {name: each.get("value") for name, each in json.loads(plan)["planned_values"]["outputs"].items()}
    assert outputs["policy"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Replaced",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::b/${aws:username}/*",
                "Principal": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012", "aws:RequestedRegion": ["a", "b"]}},
            },
            {
                "Effect": "Deny",
                "NotAction": "iam:GetUser",
                "Resource": "*",
                "NotPrincipal": {"AWS": ["arn:aws:iam::2:root", "arn:aws:iam::1:root"]},
            },
        ],
    }
    assert outputs["project"] == "123456789012"
    assert outputs["network"] == ["vpc-1", "aws_vpc-cidr_block"]
    assert after(plan, "aws_iam_policy.late")["after_unknown"]["policy"] is True


def test_an_ephemeral_resource_feeds_a_write_only_argument(offline_env, terraform):  # noqa: F811
    main = """
    ephemeral "aws_secretsmanager_random_password" "it" {}
    resource "aws_secretsmanager_secret_version" "it" {
      secret_id                = "x"
      secret_string_wo         = ephemeral.aws_secretsmanager_random_password.it.random_password
      secret_string_wo_version = 1
    }
    """
    plan = planned(terraform, offline_env, main)
    assert after(plan, "aws_secretsmanager_secret_version.it")["after"]["secret_string_wo"] is None


@pytest.mark.parametrize(("arch", "architecture"), [("amd64", "x86_64"), ("arm64", "arm64")])
def test_debians_images_are_found(offline_env, monkeypatch, arch, architecture):  # noqa: F811
    for name, value in offline_env.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session(region_name="eu-central-1").client("ec2")
    wanted = [{"Name": "name", "Values": [f"debian-13-{arch}-*"]}]
    images = client.describe_images(Owners=[DEBIAN], Filters=wanted)["Images"]
    assert [(each["Name"], each["Architecture"]) for each in images] == [
        (f"debian-13-{arch}-20251117-2299", architecture)
    ]
