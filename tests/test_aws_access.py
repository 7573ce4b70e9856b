"""Who may read what on AWS: the policies of modules/aws, as Terraform writes them, against the calls of each role."""

import json

import pytest

from tests import iam
from tests.clouds import Applied

pytest_plugins = ["tests.aws_fixtures"]

ACCOUNT = "123456789012"
ROLES = ("etcd", "master", "worker")
S3, SECRETS = ({"kms:ViaService": f"{service}.eu-west-1.amazonaws.com"} for service in ("s3", "secretsmanager"))


def readers(cluster: Applied, variable: str) -> dict[str, set[str]]:
    """Who may read each document, by the rendered variables."""
    values = json.loads((cluster.folder / "terraform.tfvars.json").read_text())[variable]
    return {key: set(document.get("roles", ROLES)) for key, document in values.items()}


@pytest.mark.parametrize("name", ["star-wars", "ha", "flannel"])
def test_a_role_reads_its_own_documents_and_no_others(aws, name):
    cluster = aws(name)
    bucket = cluster.all("aws_s3_bucket.bucket")["documents"]["arn"]
    secrets = cluster.all("aws_secretsmanager_secret.document")
    calls = {
        ("s3:GetObject", f"{bucket}/{key}"): roles
        for variable in ("documents", "archives")
        for key, roles in readers(cluster, variable).items()
    }
    calls |= {
        ("secretsmanager:GetSecretValue", secrets[component]["arn"]): roles
        for component, roles in readers(cluster, "secret_documents").items()
    }
    used = cluster.all("aws_iam_role.role").keys()
    assert used == {machine["tags"]["anywhere-role"] for machine in cluster.all("aws_instance.machine").values()} | {
        "worker"
    }
    for role in used:
        policy = cluster.document("aws_iam_role_policy.documents", role)
        for (action, resource), roles in calls.items():
            assert iam.allowed([policy], action, resource) == (role in roles), (role, resource)


def test_keys_of_others_stay_theirs(aws):
    """Said outright for the gravest, beside what the variables say."""
    cluster = aws("star-wars")
    secrets = cluster.all("aws_secretsmanager_secret.document")

    def reads(role: str, component: str) -> bool:
        policy = cluster.document("aws_iam_role_policy.documents", role)
        return iam.allowed([policy], "secretsmanager:GetSecretValue", secrets[component]["arn"])

    assert reads("etcd", "etcd") and reads("worker", "kubelet") and reads("worker", "weave")
    assert (
        not reads("worker", "etcd") and not reads("worker", "kube-controller-manager") and not reads("worker", "addons")
    )
    assert not reads("master", "etcd") and not reads("etcd", "kube-apiserver") and not reads("etcd", "kubelet")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_decrypts_through_the_two_services_only(aws, role):
    cluster = aws("star-wars")
    policy, key = cluster.document("aws_iam_role_policy.documents", role), cluster.one("aws_kms_key.cluster")["arn"]
    assert iam.allowed([policy], "kms:Decrypt", key, S3)
    assert iam.allowed([policy], "kms:Decrypt", key, SECRETS)
    assert not iam.allowed([policy], "kms:Decrypt", key)
    assert not iam.allowed([policy], "kms:Decrypt", key, {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"})
    assert not iam.allowed([policy], "kms:Decrypt", f"{key}-of-another", S3)
    assert not iam.allowed([policy], "kms:Encrypt", key, S3)


@pytest.mark.parametrize("role", ROLES)
def test_policies_of_roles_name_everything(aws, role):
    policy = aws("ha" if role == "master" else "star-wars").document("aws_iam_role_policy.documents", role)
    assert "*" not in json.dumps(policy)
    actions = {statement["Action"] for statement in policy["Statement"]}
    assert actions == {"s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt"}


@pytest.mark.parametrize(("name", "keeper"), [("star-wars", "etcd"), ("ha", "master"), ("flannel", "etcd")])
def test_only_machines_with_etcd_keep_anything_and_only_snapshots_go(aws, name, keeper):
    cluster = aws(name)
    assert cluster.all("aws_iam_role_policy.store").keys() == {keeper}
    assert cluster.all("aws_iam_role_policy.store")[keeper]["role"] == cluster.all("aws_iam_role.role")[keeper]["id"]
    bucket, key = cluster.all("aws_s3_bucket.bucket")["documents"]["arn"], cluster.one("aws_kms_key.cluster")["arn"]
    policies = [
        cluster.document("aws_iam_role_policy.store", keeper),
        cluster.document("aws_iam_role_policy.documents", keeper),
    ]

    def may(action: str, resource: str, **context: str) -> bool:
        given = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
        return iam.allowed(policies, action, resource, given)

    marker, snapshot = f"{bucket}/etcd/cluster", f"{bucket}/etcd/snapshots/1.age"
    assert may("s3:GetObject", marker) and may("s3:GetObject", snapshot)
    assert may("s3:PutObject", marker, s3__if_none_match="*") and not may("s3:PutObject", marker)
    assert may("s3:PutObject", snapshot) and may("s3:DeleteObject", snapshot)
    assert not may("s3:DeleteObject", marker) and not may("s3:DeleteObjectVersion", snapshot)
    for document in ("release.json", "etcdsnapshots/1", "node/etcd/1"):
        for action in ("s3:PutObject", "s3:DeleteObject"):
            assert not may(action, f"{bucket}/{document}", s3__if_none_match="*")
    assert may("s3:ListBucket", bucket, s3__prefix="etcd/snapshots/")
    assert not may("s3:ListBucket", bucket) and not may("s3:ListBucket", bucket, s3__prefix="images/")
    assert may("kms:GenerateDataKey", key, kms__ViaService=S3["kms:ViaService"])
    assert not may("kms:GenerateDataKey", key)


@pytest.mark.parametrize("bucket", ["documents", "logs"])
def test_buckets_take_encrypted_connections_only(aws, bucket):
    cluster = aws("star-wars")
    policy, arn = (
        cluster.document("aws_s3_bucket_policy.bucket", bucket),
        cluster.all("aws_s3_bucket.bucket")[bucket]["arn"],
    )
    role = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}],
    }
    who = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/star-wars-master"}
    assert iam.allowed([policy, role], "s3:GetObject", f"{arn}/release.json", {"aws:SecureTransport": "true"}, who)
    assert not iam.allowed([policy, role], "s3:GetObject", f"{arn}/release.json", {"aws:SecureTransport": "false"}, who)
    assert not iam.allowed([policy], "s3:GetObject", f"{arn}/release.json", {"aws:SecureTransport": "true"}, who)


def test_logs_come_from_this_account_only(aws):
    cluster = aws("star-wars")
    buckets = cluster.all("aws_s3_bucket.bucket")
    policy, target = cluster.document("aws_s3_bucket_policy.bucket", "logs"), buckets["logs"]["arn"]
    context = {
        "aws:SecureTransport": "true",
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": buckets["documents"]["arn"],
    }
    s3, flows = {"Service": "logging.s3.amazonaws.com"}, {"Service": "delivery.logs.amazonaws.com"}
    assert iam.allowed([policy], "s3:PutObject", f"{target}/s3/x", context, s3)
    assert not iam.allowed([policy], "s3:PutObject", f"{target}/s3/x", {**context, "aws:SourceAccount": "2"}, s3)
    logs = f"arn:aws:logs:eu-west-1:{ACCOUNT}:*"
    owned = {**context, "aws:SourceArn": logs, "s3:x-amz-acl": "bucket-owner-full-control"}
    assert iam.allowed([policy], "s3:PutObject", f"{target}/AWSLogs/{ACCOUNT}/x", owned, flows)
    assert iam.allowed([policy], "s3:GetBucketAcl", target, owned, flows)
    assert not iam.allowed(
        [policy], "s3:PutObject", f"{target}/AWSLogs/{ACCOUNT}/x", {**owned, "aws:SourceAccount": "2"}, flows
    )
    assert not iam.allowed([policy], "s3:PutObject", f"{target}/s3/x", owned, flows)


def test_the_key_serves_the_account_and_its_workers_volumes(aws):
    cluster = aws("star-wars")
    policy = json.loads(cluster.one("aws_kms_key.cluster")["policy"])
    starter = cluster.one("aws_iam_service_linked_role.autoscaling")
    for group in cluster.all("aws_autoscaling_group.pool").values():
        assert group["service_linked_role_arn"] == starter["arn"]
    who = {"AWS": starter["arn"]}
    assert iam.allowed([policy], "kms:GenerateDataKeyWithoutPlaintext", "key", {}, who)
    assert iam.allowed([policy], "kms:CreateGrant", "key", {"kms:GrantIsForAWSResource": "true"}, who)
    assert not iam.allowed([policy], "kms:CreateGrant", "key", {}, who)
    assert not iam.allowed([policy], "kms:ScheduleKeyDeletion", "key", {}, who)
    assert iam.allowed([policy], "kms:ScheduleKeyDeletion", "key", {}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    assert not iam.allowed([policy], "kms:Decrypt", "key", {}, {"AWS": "arn:aws:iam::210987654321:root"})


def test_secrets_are_nobody_elses_and_in_no_state(aws):
    cluster = aws("star-wars")
    for policy in cluster.all("aws_secretsmanager_secret_policy.document").values():
        assert policy["block_public_policy"] is True
    assert cluster.all("aws_secretsmanager_secret.document")["etcd"]["name"] == "star-wars/etcd"
    versions = cluster.all("aws_secretsmanager_secret_version.document")
    assert versions["etcd"]["secret_string_wo_version"] == 0x0123456789AB
    assert versions["etcd"]["secret_string_wo"] is None
    assert "secret-of-" not in (cluster.folder / "terraform.tfstate").read_text()


def test_documents_are_what_was_rendered(aws):
    cluster = aws("star-wars")
    values = json.loads((cluster.folder / "terraform.tfvars.json").read_text())
    for key, uploaded in cluster.all("aws_s3_object.document").items():
        assert uploaded["source_hash"] == values["documents"][key]["sha256"]
        assert (cluster.folder / uploaded["source"]).is_file()
    cache = cluster.environment["TF_VAR_cache"]
    archives = cluster.all("aws_s3_object.archive")
    assert archives.keys() == values["archives"].keys()
    assert all(uploaded["source"] == f"{cache}/{key}" for key, uploaded in archives.items())
