"""Who may read what on GCE: the conditions of modules/gce, as Terraform writes them, against the reads of each role."""

import json

import pytest

from tests.clouds import Applied, Cluster
from tests.gce_clusters import write

celpy = pytest.importorskip("celpy", reason="cel-python is not installed: no conditions without their language")
pytest_plugins = ["tests.gce_fixtures"]

ROLES = ("etcd", "master", "worker")
OPERATORS, CONDITIONS = 12, 20  # of one condition, and of one account's with one role
VIEWER, ACCESSOR = "roles/storage.objectViewer", "roles/secretmanager.secretAccessor"


def holds(expression: str, resource: str) -> bool:
    environment = celpy.Environment()
    program = environment.program(environment.compile(expression))
    return bool(program.evaluate({"resource": celpy.json_to_cel({"name": resource})}))


def readers(cluster: Applied, variable: str) -> dict[str, set[str]]:
    """Who may read each document, by the rendered variables."""
    values = json.loads((cluster.folder / "terraform.tfvars.json").read_text())[variable]
    return {key: set(document.get("roles", ROLES)) for key, document in values.items()}


def conditions(cluster: Applied, role: str) -> list[str]:
    """Of all that an account may read of a bucket."""
    member = cluster.all("google_service_account.role")[role]["member"]
    granted = [each for each in cluster.of_type("google_storage_bucket_iam_member") if each["member"] == member]
    assert {(each["bucket"], each["role"]) for each in granted} == {
        (cluster.one("google_storage_bucket.documents")["name"], VIEWER)
    }
    return [each["condition"][0]["expression"] for each in granted]


@pytest.mark.parametrize("name", ["star-wars", "ha", "flannel", "spot"])
def test_a_role_reads_its_own_documents_and_no_others(gce, name):
    cluster = gce(name)
    bucket = cluster.one("google_storage_bucket.documents")["name"]
    wanted = readers(cluster, "documents") | readers(cluster, "archives")
    used = cluster.all("google_service_account.role").keys()
    assert used == {machine["labels"]["anywhere-role"] for machine in cluster.of_type("google_compute_instance")} | {
        "worker"
    }
    for role in used:
        expression = " || ".join(conditions(cluster, role))
        seen = {key for key in wanted if holds(expression, f"projects/_/buckets/{bucket}/objects/{key}")}
        assert seen == {key for key, roles in wanted.items() if role in roles}
        for other in (
            f"projects/_/buckets/{bucket}",  # what listing asks for
            f"projects/_/buckets/{bucket}-of-another/objects/release.json",
            f"projects/_/buckets/{bucket}/objects/release.json.old",
            f"projects/_/buckets/{bucket}/objects/images/{'0' * 64}.tar",
        ):
            assert not holds(expression, other)


def test_some_documents_are_not_for_all(gce):
    """The last test would say little if they were."""
    wanted = readers(gce("star-wars"), "archives")
    assert any(set(ROLES) - roles for roles in wanted.values())


@pytest.mark.parametrize("name", ["star-wars", "ha", "flannel", "spot"])
def test_conditions_stay_inside_googles_limits(gce, name):
    for role in gce(name).all("google_service_account.role"):
        written = conditions(gce(name), role)
        assert len(written) == len(set(written)) <= CONDITIONS
        assert max(expression.count("||") for expression in written) < OPERATORS


def test_many_documents_stay_inside_googles_limits_too(gce_environment, tmp_path):
    folder = write(tmp_path / "c", "star-wars")
    values = json.loads((folder / "terraform.tfvars.json").read_text())
    values["archives"] = {f"images/{number:064}.tar": {"roles": ["master"]} for number in range(200)}
    (folder / "terraform.tfvars.json").write_text(json.dumps(values))
    cluster = Cluster(folder, gce_environment)
    cluster.terraform("init")
    cluster.terraform("plan", "-target=google_storage_bucket_iam_member.documents", "-out=changes.tfplan")
    planned = cluster.show("changes.tfplan")["planned_values"]["root_module"]["resources"]
    granted = [r["values"] for r in planned if r.get("index") and r["type"].endswith("_iam_member")]
    masters = [each["condition"][0] for each in granted if each["condition"][0]["title"].startswith("master")]
    assert len(masters) == 17 <= CONDITIONS
    assert sum(each["expression"].count("==") for each in masters) == 202
    assert max(each["expression"].count("||") for each in masters) < OPERATORS


@pytest.mark.parametrize("name", ["star-wars", "ha"])
def test_a_role_reads_its_own_secrets_and_no_others(gce, name):
    cluster = gce(name)
    members = {role: account["member"] for role, account in cluster.all("google_service_account.role").items()}
    secrets = {secret["id"]: key for key, secret in cluster.all("google_secret_manager_secret.document").items()}
    granted = cluster.of_type("google_secret_manager_secret_iam_member")
    assert {each["role"] for each in granted} == {ACCESSOR}
    seen = {(secrets[each["secret_id"]], each["member"]) for each in granted}
    wanted = readers(cluster, "secret_documents")
    assert seen == {(key, members[role]) for key, roles in wanted.items() for role in roles if role in members}


def test_keys_of_others_stay_theirs(gce):
    """Said outright for the gravest, beside what the variables say."""
    granted = gce("star-wars").all("google_secret_manager_secret_iam_member.documents").keys()
    assert granted >= {"etcd-etcd", "worker-kubelet", "worker-weave", "master-addons"}
    assert not granted & {
        "worker-etcd",
        "worker-kube-controller-manager",
        "worker-addons",
        "master-etcd",
        "etcd-kubelet",
    }


@pytest.mark.parametrize("name", ["star-wars", "own-key"])
def test_nobody_has_a_role_in_the_project(gce, name):
    kinds = {r["type"] for r in gce(name).values["root_module"]["resources"] if "iam" in r["type"]}
    assert kinds == {
        "google_storage_bucket_iam_member",
        "google_storage_managed_folder_iam_member",
        "google_secret_manager_secret_iam_member",
    }


def test_secrets_are_named_for_their_cluster_and_are_in_no_state(gce):
    cluster = gce("star-wars")
    assert cluster.all("google_secret_manager_secret.document")["etcd"]["secret_id"] == "star-wars-etcd"
    versions = cluster.all("google_secret_manager_secret_version.document")
    assert int(versions["etcd"]["secret_data_wo_version"]) == 0x0123456789AB
    assert versions["etcd"]["secret_data_wo"] is versions["etcd"]["secret_data"] is None
    cluster.terraform("plan", "-out=secrets.tfplan")
    assert "secret-of-" not in json.dumps(cluster.show("secrets.tfplan"))
    for file in cluster.folder.rglob("*"):
        assert not file.is_file() or b"secret-of-" not in file.read_bytes()


@pytest.mark.parametrize("name", ["star-wars", "own-key"])
def test_buckets_are_closed_and_keep_old_versions(gce, name):
    buckets = gce(name).of_type("google_storage_bucket")
    assert len(buckets) == 2
    for bucket in buckets:
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["public_access_prevention"] == "enforced"
        assert bucket["versioning"] == [{"enabled": True}]
        assert len(bucket["name"]) <= 63 and bucket["name"].endswith("-123456789012")


def test_documents_are_what_was_rendered_and_archives_are_not_looked_for(gce, tmp_path):
    """No archive is in the cache of this computer, nor in that of the next."""
    cluster = gce("star-wars")
    for uploaded in cluster.all("google_storage_bucket_object.document").values():
        assert (cluster.folder / uploaded["source"]).is_file()
    archives = cluster.all("google_storage_bucket_object.archive")
    assert archives.keys() == readers(cluster, "archives").keys()
    assert not any((tmp_path / key).exists() for key in archives)
    cluster.environment = {**cluster.environment, "TF_VAR_cache": str(tmp_path)}
    assert cluster.changes() == {}


@pytest.mark.parametrize(("name", "keeper"), [("star-wars", "etcd"), ("ha", "master"), ("flannel", "etcd")])
def test_only_machines_with_etcd_keep_anything_and_only_snapshots_go(gce, name, keeper):
    cluster = gce(name)
    folders = cluster.all("google_storage_managed_folder.store")
    assert {key: folder["name"] for key, folder in folders.items()} == {"etcd": "etcd/", "snapshots": "etcd/snapshots/"}
    granted = cluster.of_type("google_storage_managed_folder_iam_member")
    member = cluster.all("google_service_account.role")[keeper]["member"]
    bucket = cluster.one("google_storage_bucket.documents")["name"]
    assert {(each["bucket"], each["member"]) for each in granted} == {(bucket, member)}
    assert {(each["managed_folder"], each["role"]) for each in granted} == {
        ("etcd/", "roles/storage.objectViewer"),
        ("etcd/", "roles/storage.objectCreator"),  # which can replace nothing
        ("etcd/snapshots/", "roles/storage.objectUser"),
    }
