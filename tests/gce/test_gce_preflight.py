"""Whether Google will let the cluster come about: each kind of bad input, with what is said and the remedy."""

from dataclasses import replace

import pytest

from generator import lock as locks
from generator.definition import Pool
from generator.lock import Lock
from tests.gce.checks import refused
from tests.gce.cloud import NUMBER, REGION, ZONES


def test_a_project_that_is_fit(looked, cloud, define):
    cloud.buckets["states"] = bucket()
    found = looked(define(backend={"gcs": {"bucket": "states"}}))
    assert {subject: (check.ok, check.detail) for subject, check in found.items()} == {
        "credentials": (True, f"nobody in particular, at {cloud.url}"),
        "project": (True, "my-project, number 123456789012"),
        "region": (True, "europe-west1 is up"),
        "APIs": (True, "compute, secretmanager, storage, iam are enabled"),
        "name": (True, "no other region has a cluster star-wars"),
        "types": (True, "e2-medium, e2-small, e2-standard-2"),
        "zones": (True, "europe-west1-b, europe-west1-c, europe-west1-d offer e2-medium, e2-small, e2-standard-2"),
        "machine images": (True, "amd64 debian-13-trixie-v20261111"),
        "CPU quota": (True, "14 CPUS more to take, 0 of 72 in use"),
        "region's quotas": (
            True,
            "7 INSTANCES more to take, 0 of 720 in use; 1 IN_USE_ADDRESSES more to take, 0 of 8 in use; "
            "150 SSD_TOTAL_GB more to take, 0 of 2048 in use",
        ),
        "project's quotas": (
            True,
            "14 CPUS_ALL_REGIONS more to take, 0 of 32 in use; 1 NETWORKS more to take, 0 of 5 in use",
        ),
        "network": (True, "star-wars with 10.20.0.0/16 is to be made"),
        "state bucket": (True, "states, versioned, of project my-project"),
        "state lock": (True, "nobody holds star-wars/default.tflock"),
    }
    assert not any(asked.startswith(("POST", "PATCH", "DELETE")) for asked in cloud.asked)


def bucket(**changes):
    access = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    return {
        "name": "states",
        "projectNumber": NUMBER,
        "versioning": {"enabled": True},
        "iamConfiguration": access,
    } | changes


def test_no_credentials(looked, define, monkeypatch):
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def none(scopes):
        raise DefaultCredentialsError("Your default credentials were not found. To set up, see https://x")

    monkeypatch.delenv("ANYWHERE_GCE_ENDPOINT")
    monkeypatch.setattr(google.auth, "default", none)
    found = looked(define())
    check = refused(found, "credentials")
    assert check.detail == "There are no Google credentials" and "gcloud auth application-default login" in check.hint
    assert list(found) == ["credentials"]


@pytest.mark.parametrize(("status", "reason"), [(403, "forbidden"), (404, "notFound")])
def test_a_project_that_there_is_not(looked, cloud, define, status, reason):
    cloud.refuse("GET /serviceusage", status, reason, "The caller does not have permission")
    found = looked(define())
    check = refused(found, "project")
    assert check.detail == "There is no project my-project, or these credentials may not see it"
    assert check.hint.startswith("Fix providers.gce.project") and list(found) == ["credentials", "project"]


def test_who_knows_the_number_need_not_see_the_project(looked, cloud, define):
    cloud.refuse("GET /serviceusage", 403, "forbidden", "The caller does not have permission")
    found = looked(define(project_number=NUMBER))
    assert [name for name, check in found.items() if not check.ok] == ["project", "APIs"]
    assert not any(check.needed for check in found.values())


def test_a_number_that_is_another_projects(looked, define):
    check = refused(looked(define(project_number="999999")), "project")
    assert check.detail == "Project my-project has the number 123456789012, and the definition has 999999"


def test_service_usage_itself_is_not_enabled(looked, cloud, define):
    facts = {"service": "serviceusage.googleapis.com", "consumer": f"projects/{NUMBER}"}
    cloud.refuse("GET /serviceusage", 403, "SERVICE_DISABLED", "Service Usage API is disabled.", facts=facts)
    check = refused(looked(define()), "project")
    assert check.hint == "Enable it: gcloud services enable serviceusage.googleapis.com --project my-project"


def test_an_api_that_is_not_enabled(looked, cloud, define):
    cloud.apis["secretmanager"] = "DISABLED"
    check = refused(looked(define()), "APIs")
    assert check.detail == "Not enabled in project my-project: secretmanager.googleapis.com"
    assert check.hint == "Enable them: gcloud services enable secretmanager.googleapis.com --project my-project"


def test_compute_itself_is_not_enabled(looked, cloud, define):
    said = "Compute Engine API has not been used in project 1 before or it is disabled."
    cloud.refuse("GET /compute", 403, "accessNotConfigured", said)
    check = refused(looked(define()), "region")
    assert "The API compute.googleapis.com is not enabled in project my-project" in check.detail
    assert check.hint == "Enable it: gcloud services enable compute.googleapis.com --project my-project"


def test_a_wrong_region(looked, define, cloud):
    from providers.gce.session import Session

    check = refused(looked(define(region="europe-west99"), Session("my-project", "europe-west99")), "region")
    assert check.detail == "Google has no region europe-west99"
    assert check.hint.startswith("Fix providers.gce.region: did you mean europe-west")


def test_a_machine_type_that_a_zone_lacks(looked, cloud, define):
    del cloud.types[ZONES[0]]["e2-small"]
    check = refused(looked(define(zones=ZONES)), "zones")
    assert "europe-west1-b does not offer e2-small" in check.detail and "Zones that do" in check.hint


def test_a_type_that_there_is_not(looked, define):
    check = refused(looked(define(sizes={"small": {"amd64": "e2-smalll"}})), "types")
    assert (check.detail, check.hint) == ("europe-west1 has no machine type e2-smalll", "Fix providers.gce.sizes.")


def test_a_type_of_another_architecture(looked, define):
    check = refused(looked(define(sizes={"tiny": {"amd64": "c4a-standard-2"}})), "types")
    assert check.detail == "c4a-standard-2 is for ARM64, but machines of etcd are amd64"


def test_a_quota_that_is_too_low(looked, cloud, define):
    cloud.quotas["CPUS"] = [15, 2]
    check = refused(looked(define()), "CPU quota")
    assert check.detail == "europe-west1 grants 15 CPUS; 2 are in use, and the cluster takes 14 more"
    assert check.hint == "Ask for more: https://console.cloud.google.com/iam-admin/quotas?project=my-project"


@pytest.mark.parametrize(
    ("metric", "limit", "said"),
    [
        ("SSD_TOTAL_GB", 150, "grants 150 SSD_TOTAL_GB; 1 are in use, and the cluster takes 150 more"),
        ("INSTANCES", 7, "grants 7 INSTANCES; 1 are in use, and the cluster takes 7 more"),
        ("IN_USE_ADDRESSES", 1, "grants 1 IN_USE_ADDRESSES; 1 are in use, and the cluster takes 2 more"),
        ("STATIC_ADDRESSES", 1, "grants 1 STATIC_ADDRESSES; 1 are in use, and the cluster takes 1 more"),
    ],
)
def test_other_quotas_of_the_region_that_are_too_low(looked, cloud, define, metric, limit, said):
    cloud.quotas[metric] = [limit, 1]
    assert said in refused(looked(define(load_balancer=True)), "region's quotas").detail


@pytest.mark.parametrize(
    ("metric", "limit", "said"),
    [
        (
            "CPUS_ALL_REGIONS",
            12,
            "Project my-project grants 12 CPUS_ALL_REGIONS; 1 are in use, and the cluster takes 14",
        ),
        ("NETWORKS", 1, "Project my-project grants 1 NETWORKS; 1 are in use, and the cluster takes 1 more"),
    ],
)
def test_quotas_of_the_project_that_are_too_low(looked, cloud, define, metric, limit, said):
    cloud.project_quotas[metric] = [limit, 1]
    assert said in refused(looked(define()), "project's quotas").detail


def arm(definition, **pool):
    return replace(definition, workers=(Pool("arm", 3, "medium", arch="arm64", **pool),))


def test_what_google_does_not_tell_is_no_refusal(looked, define):
    found = looked(arm(define()))
    assert found["CPU quota"].detail == (
        "6 C4A_CPUS more to take, of a number that Google does not tell here; 8 CPUS more to take, 0 of 72 in use"
    )
    assert "90 HDB_TOTAL_GB more to take, 0 of 2048 in use" in found["region's quotas"].detail
    assert found["machine images"].detail == (
        "amd64 debian-13-trixie-v20261111, arm64 debian-13-trixie-arm64-v20261111"
    )


def test_spot_machines_have_a_quota_of_their_own_where_it_was_granted(looked, cloud, define):
    definition = replace(define(), workers=(Pool("cheap", 4, "medium", spot=True),))
    assert looked(definition)["CPU quota"].detail == "16 CPUS more to take, 0 of 72 in use"
    cloud.quotas["PREEMPTIBLE_CPUS"] = [6, 0]
    assert (
        "grants 6 PREEMPTIBLE_CPUS; 0 are in use, and the cluster takes 8 more"
        in refused(looked(definition), "CPU quota").detail
    )


def test_machines_that_are_there_take_nothing_more(looked, cloud, define):
    for number in (1, 2, 3):
        labels = {"anywhere-cluster": "star-wars", "anywhere-group": "etcd", "anywhere-name": f"etcd{number}"}
        cloud.add("instances", f"star-wars-etcd{number}", ZONES[0], labels=labels, status="RUNNING")
    found = looked(define())
    assert found["CPU quota"].detail.startswith("8 CPUS more to take")
    assert found["region's quotas"].detail.startswith("4 INSTANCES more to take")
    assert "NETWORKS" not in found["project's quotas"].detail


def test_a_cluster_of_the_name_in_another_region(looked, cloud, define):
    name = f"star-wars-documents-{NUMBER}"
    cloud.buckets[name] = {"name": name, "location": "US-EAST1"}
    check = refused(looked(define()), "name")
    assert check.detail.startswith("There is a cluster star-wars in us-east1") and "metadata.name" in check.hint
    cloud.buckets[name]["location"] = "EUROPE-WEST1"
    assert looked(define())["name"].ok


KEY = "projects/my-project/locations/europe-west1/keyRings/r/cryptoKeys/k"


def agents():
    services = ("compute-system", "gs-project-accounts", "gcp-sa-secretmanager")
    return [f"serviceAccount:service-{NUMBER}@{service}.iam.gserviceaccount.com" for service in services]


def test_a_key_that_may_be_used(looked, cloud, define):
    cloud.keys[KEY] = {"name": KEY, "purpose": "ENCRYPT_DECRYPT", "primary": {"state": "ENABLED"}}
    binding = {"role": "roles/cloudkms.cryptoKeyEncrypterDecrypter", "members": agents()}
    cloud.policies[KEY] = {"bindings": [binding]}
    found = looked(define(kms_key=KEY))
    assert found["key"].detail == f"{KEY} is enabled, and Google's services may use it"
    assert found["APIs"].detail == "compute, secretmanager, storage, iam, cloudkms are enabled"
    cloud.policies[KEY] = {"bindings": [binding | {"members": agents()[:2]}]}
    doubt = looked(define(kms_key=KEY))["key"]
    assert (doubt.ok, doubt.needed) == (False, False)
    assert "gcp-sa-secretmanager" in doubt.detail and "gcloud kms keys add-iam-policy-binding" in doubt.hint


@pytest.mark.parametrize(
    ("name", "key", "said"),
    [
        (KEY, None, f"There is no key {KEY}"),
        (KEY, {"purpose": "ENCRYPT_DECRYPT", "primary": {"state": "DISABLED"}}, f"The key {KEY} is disabled"),
        (KEY, {"purpose": "ASYMMETRIC_SIGN"}, f"The key {KEY} is for ASYMMETRIC_SIGN"),
        (KEY.replace("europe-west1", "global"), None, "is in global, and must be in europe-west1"),
    ],
)
def test_a_key_that_will_not_do(looked, cloud, define, name, key, said):
    if key:
        cloud.keys[name] = key
    check = refused(looked(define(kms_key=name)), "key")
    assert said in check.detail and "providers.gce.kms_key" in check.hint


def test_a_network_of_the_same_name(looked, cloud, define):
    link = cloud.add("networks", "star-wars")
    cloud.add("subnetworks", "death-star", "us-east1", network=link)
    check = refused(looked(define()), "network")
    assert check.detail.endswith(
        "a network star-wars already, with subnetwork death-star, which is not of this cluster"
    )
    assert check.hint == "Remove that network, or give the cluster another metadata.name."
    cloud.add("addresses", "a", REGION, labels={"anywhere-cluster": "star-wars"})
    assert looked(define())["network"].detail == "star-wars with 10.20.0.0/16 is there"


def test_a_network_of_an_apply_that_was_cut_off_is_no_refusal(looked, cloud, define):
    link = cloud.add("networks", "star-wars")
    cloud.add("subnetworks", "star-wars-machines", REGION, network=link)
    check = looked(define())["network"]
    assert not check.ok and not check.needed
    assert "with no addresses of this cluster" in check.detail
    assert check.hint.startswith("Run on if an apply of this cluster was cut off")


BACKEND = {"backend": {"gcs": {"bucket": "states"}}}


@pytest.mark.parametrize(
    ("made", "said", "hint"),
    [
        (None, "There is no bucket states for Terraform's state", "anywhere backend create"),
        (
            bucket(projectNumber="999"),
            "belongs to another project than my-project",
            "write another in providers.gce.backend",
        ),
        (bucket(versioning={}), "has no versions", "gcloud storage buckets update gs://states"),
        (bucket(iamConfiguration={}), "has no uniform access, public access prevention", "--uniform-bucket-level"),
    ],
)
def test_a_bucket_that_will_not_do(looked, cloud, define, made, said, hint):
    if made:
        cloud.buckets["states"] = made
    check = refused(looked(define(**BACKEND)), "state bucket")
    assert said in check.detail and hint in check.hint


def test_a_bucket_that_may_not_be_looked_at_is_somebody_elses(looked, cloud, define):
    cloud.refuse("GET /storage.*/b/states$", 403, "forbidden", "no")
    assert "belongs to another project than my-project" in refused(looked(define(**BACKEND)), "state bucket").detail


def test_a_state_that_another_run_holds(looked, cloud, define):
    cloud.buckets["states"] = bucket()
    held = {"ID": "17", "Who": "ann@desk", "Created": "2026-11-24T08:00:00Z", "Operation": "OperationTypeApply"}
    cloud.objects["states", "star-wars/default.tflock"] = held
    check = refused(looked(define(**BACKEND)), "state lock")
    assert check.detail == "The state is locked by ann@desk since 2026-11-24T08:00:00Z (OperationTypeApply)"
    assert "terraform force-unlock 1764000000000042 in the rendered folder" in check.hint


@pytest.mark.parametrize(("status", "reason"), [(403, "forbidden"), (429, "rateLimitExceeded"), (503, "backendError")])
def test_what_could_not_be_looked_at_is_a_warning_and_the_others_are_looked_at(looked, cloud, define, status, reason):
    cloud.refuse("GET .*/aggregated/instances", status, reason, "Required 'compute.instances.list' permission")
    found = looked(define())
    assert (found["CPU quota"].ok, found["CPU quota"].needed) == (False, False)
    assert found["machine images"].ok and found["network"].ok


def test_what_passes_is_tried_again(looked, cloud, define):
    cloud.refuse("GET .*/aggregated/instances", 503, "backendError", times=1)
    assert all(check.ok for check in looked(define()).values())


def test_a_region_that_may_not_be_looked_at_hides_nothing_else(looked, cloud, define):
    cloud.refuse("GET .*/regions/", 403, "forbidden", "Required 'compute.regions.get' permission for 'projects/x'")
    found = looked(define())
    assert (
        found["region"].detail
        == "Google denies compute.regions.get, which is needed to see whether the region is there"
    )
    assert not found["region"].needed and found["zones"].ok


def test_an_image_of_the_lock_that_is_gone(looked, define, tmp_path):
    facts = {"project": "my-project", "region": REGION, "project_number": NUMBER, "zones": ZONES}
    write(tmp_path, facts | {"images": {"amd64": "projects/debian-cloud/global/images/debian-12-old"}})
    check = refused(looked(define()), "machine images")
    assert check.detail == "The machine image projects/debian-cloud/global/images/debian-12-old is not there"
    write(tmp_path, facts | {"images": {"arm64": "projects/debian-cloud/global/images/debian-13-arm64"}})
    check = refused(looked(define()), "machine images")
    assert check.detail == "The lock has no machine image for amd64"


def test_a_zone_of_the_lock_that_is_down(looked, cloud, define, tmp_path):
    cloud.zones[ZONES[1]] = "DOWN"
    facts = {"project": "my-project", "region": REGION, "project_number": NUMBER, "zones": ZONES}
    write(tmp_path, facts | {"images": {"amd64": "projects/debian-cloud/global/images/debian-13-x"}})
    check = refused(looked(define()), "zones")
    assert check.detail == f"europe-west1 has no zone {ZONES[1]}, or it is not up"


def write(folder, facts):
    locks.write(folder / "cluster.lock.yaml", Lock("v1.37.2", "weave", {}, None, {}, {"gce": facts}))
