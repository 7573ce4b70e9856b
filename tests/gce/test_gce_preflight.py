"""Whether Google will let the cluster come about: each kind of bad input, with what is said and the remedy."""

import pytest

from generator import topology
from providers.gce import preflight
from tests.gce.cloud import NUMBER, REGION, ZONES


@pytest.fixture
def looked(session):
    def look(definition, found=session):
        machines = topology.lay_out(definition, topology.blocks(definition, {}))
        return {check.subject: check for check in preflight.checks(found, definition, machines)}

    return look


def test_a_project_that_is_fit(looked, cloud, define):
    cloud.buckets["states"] = bucket()
    found = looked(define(backend={"gcs": {"bucket": "states"}}))
    assert {subject: check.ok for subject, check in found.items() if not check.ok} == {}
    assert {subject: check.detail for subject, check in found.items()} == {
        "credentials": "AnonymousCredentials",
        "project": "my-project, number 123456789012",
        "APIs": "compute, secretmanager, storage, iam are enabled",
        "region": "europe-west1 is up",
        "zones": "europe-west1-b, europe-west1-c, europe-west1-d offer e2-medium, e2-standard-2",
        "machine images": "amd64 debian-13-trixie-v20261111",
        "CPU quota": "14 CPUS more to take, 0 of 72 in use",
        "other quotas": "1 IN_USE_ADDRESSES more to take, 0 of 8 in use; "
        "210 SSD_TOTAL_GB more to take, 0 of 2048 in use",
        "network": "star-wars with 10.20.0.0/16 is to be made",
        "state bucket": "states, versioned, of project my-project",
        "state lock": "nobody holds star-wars/default.tflock",
    }


def bucket(**changes):
    access = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    return {
        "name": "states",
        "projectNumber": NUMBER,
        "versioning": {"enabled": True},
        "iamConfiguration": access,
    } | changes


def refused(found, subject):
    """The check that must have stopped everything."""
    check = found[subject]
    assert (check.ok, check.needed) == (False, True), check
    return check


def test_no_credentials(looked, define, monkeypatch):
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def none(scopes):
        raise DefaultCredentialsError("none found")

    monkeypatch.delenv("ANYWHERE_GCE_ENDPOINT")
    monkeypatch.setattr(google.auth, "default", none)
    found = looked(define())
    check = refused(found, "credentials")
    assert check.detail == "There are no Google credentials" and "gcloud auth application-default login" in check.hint
    assert list(found) == ["credentials"]


def test_a_project_that_there_is_not(looked, cloud, define):
    cloud.refuse("GET /cloudresourcemanager", 403, "forbidden", "The caller does not have permission")
    check = refused(looked(define()), "project")
    assert "There is no project my-project" in check.detail and "providers.gce.project" in check.hint


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
    assert check.detail == "Google has no region europe-west99" and "providers.gce.region" in check.hint


def test_a_machine_type_that_a_zone_lacks(looked, cloud, define):
    del cloud.types[ZONES[0]]["e2-medium"]
    check = refused(looked(define(zones=ZONES)), "zones")
    assert "europe-west1-b does not offer e2-medium" in check.detail and "Zones that do" in check.hint


@pytest.mark.parametrize(
    ("metric", "subject", "count"), [("CPUS", "CPU quota", 14), ("SSD_TOTAL_GB", "other quotas", 210)]
)
def test_a_quota_that_is_too_low(looked, cloud, define, metric, subject, count):
    cloud.quotas[metric] = [count + 1, 2]
    check = refused(looked(define()), subject)
    assert f"{REGION} grants {count + 1} {metric}; 2 are in use, and the cluster takes {count} more" in check.detail
    assert "Ask for more" in check.hint


def test_machines_that_are_there_take_nothing_more(looked, cloud, define):
    for number in (1, 2, 3):
        labels = {"anywhere-cluster": "star-wars", "anywhere-group": "etcd", "anywhere-name": f"etcd{number}"}
        cloud.add("instances", f"star-wars-etcd{number}", ZONES[0], labels=labels, status="RUNNING")
    assert looked(define())["CPU quota"].detail.startswith("8 CPUS more to take")


def test_a_network_of_the_same_name(looked, cloud, define):
    cloud.add("networks", "star-wars")
    assert "has a network star-wars already" in refused(looked(define()), "network").detail
    cloud.add("addresses", "a", REGION, labels={"anywhere-cluster": "star-wars"})
    assert looked(define())["network"].detail == "star-wars with 10.20.0.0/16 is there"


def test_ranges_that_clash_in_an_existing_network(looked, cloud, define):
    section = {"network": {"name": "shared", "subnetwork": "nodes"}}
    cloud.add("subnetworks", "nodes", REGION, network="x/networks/shared", ipCidrRange="10.20.0.0/20")
    assert looked(define(**section))["network"].detail == "shared: nodes (10.20.0.0/20)"
    cloud.add("subnetworks", "other", "us-east1", network="x/networks/shared", ipCidrRange="10.40.0.0/20")
    check = refused(looked(define(**section)), "network")
    assert "spec.network.pods 10.32.0.0/12 clashes with 10.40.0.0/20" in check.detail
    assert check.hint == "Give pods another range."


def test_an_address_that_another_machine_has(looked, cloud, define):
    section = {"network": {"name": "shared", "subnetwork": "nodes"}}
    cloud.add("subnetworks", "nodes", REGION, network="x/networks/shared", ipCidrRange="10.20.0.0/20")
    interface = {"network": "x/networks/shared", "networkIP": "10.20.0.10"}
    cloud.add("instances", "squatter", ZONES[0], status="RUNNING", networkInterfaces=[interface])
    check = refused(looked(define(**section)), "fixed addresses")
    assert "10.20.0.10, which etcd1 is to have, belongs to squatter" in check.detail


BACKEND = {"backend": {"gcs": {"bucket": "states"}}}


@pytest.mark.parametrize(
    ("made", "said", "hint"),
    [
        (None, "The bucket states is not there", "anywhere backend create"),
        (bucket(projectNumber="999"), "not of project my-project", "write another in providers.gce.backend"),
        (bucket(versioning={}), "has no versioning", "gcloud storage buckets update gs://states"),
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
    assert "is not of project my-project" in refused(looked(define(**BACKEND)), "state bucket").detail


def test_a_state_that_another_run_holds(looked, cloud, define):
    cloud.buckets["states"] = bucket()
    held = {"ID": "17", "Who": "ann@desk", "Created": "2026-11-24T08:00:00Z", "Operation": "OperationTypeApply"}
    cloud.objects["states", "star-wars/default.tflock"] = held
    check = refused(looked(define(**BACKEND)), "state lock")
    assert "locked by ann@desk since 2026-11-24" in check.detail and "terraform force-unlock 17" in check.hint


@pytest.mark.parametrize(("status", "reason"), [(403, "forbidden"), (429, "rateLimitExceeded"), (503, "backendError")])
def test_what_could_not_be_looked_at_is_a_warning_and_the_others_are_looked_at(looked, cloud, define, status, reason):
    cloud.refuse("GET .*/aggregated/instances", status, reason, "Required 'compute.instances.list' permission")
    found = looked(define())
    assert (found["CPU quota"].ok, found["CPU quota"].needed) == (False, False)
    assert found["machine images"].ok and found["network"].ok


def test_what_passes_is_tried_again(looked, cloud, define):
    cloud.refuse("GET .*/aggregated/instances", 503, "backendError", times=1)
    assert all(check.ok for check in looked(define()).values())


def test_a_permission_that_is_lacking_is_named(looked, cloud, define):
    cloud.refuse("GET .*/regions/", 403, "forbidden", "Required 'compute.regions.get' permission for 'projects/x'")
    check = looked(define())["region"]
    assert check.hint == "Ask for permission compute.regions.get in project my-project."
