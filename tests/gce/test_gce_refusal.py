"""What Google refuses, in one line with its remedy."""

import json
import socket

import pytest

from providers.gce import session as sessions
from providers.gce.refusal import GoogleError
from providers.gce.session import ENDPOINT, Session
from tests.gce.cloud import PROJECT, REGION

PURPOSE = "see which machines there are"
INSTANCES = "GET .*/aggregated/instances"
BUCKET = "https://storage.googleapis.com/storage/v1/b/states"


def caught(ask):
    with pytest.raises(GoogleError) as found:
        ask()
    assert "\n" not in found.value.message and found.value.hint
    return found.value


def asked():
    """The error that a request to Compute ends in."""
    error = caught(lambda: Session(PROJECT, REGION).items("InstancesClient", "aggregated_list", PURPOSE))
    return error.message, error.hint


def looked():
    """The error that a request to Cloud Storage ends in."""
    error = caught(lambda: Session(PROJECT, REGION).rest("look at it", "GET", BUCKET))
    return error.message, error.hint


@pytest.fixture
def credentials(monkeypatch, tmp_path):
    """No emulator, and no credentials but those of a file that a test writes."""
    for name in (ENDPOINT, "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # no computer of Google's is asked for
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)

    def write(text):
        path = tmp_path / "credentials.json"
        path.write_text(text)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        return path

    return write


def test_no_credentials(credentials):
    error = caught(lambda: Session(PROJECT, REGION).who())
    assert error.message == "There are no Google credentials."
    assert error.hint.startswith("Sign in: `gcloud auth application-default login`")


def test_a_file_of_credentials_that_is_none(credentials):
    path = credentials("{}")
    error = caught(lambda: Session(PROJECT, REGION).who())
    assert error.message.startswith("The Google credentials cannot be read: ") and str(path) in error.message
    path.unlink()
    error = caught(lambda: Session(PROJECT, REGION).who())
    assert error.message == f"The Google credentials cannot be read: File {path} was not found."


def person(token_uri, **more):
    return json.dumps(
        {
            "type": "authorized_user",
            "client_id": "764086051850-x.apps.googleusercontent.com",
            "client_secret": "s",
            "refresh_token": "r",
            "token_uri": token_uri,
            **more,
        }
    )


@pytest.fixture
def tokens(served, credentials, monkeypatch):
    """Google's token endpoint, served by us: what the file of credentials must name it as."""
    served.reset()
    real = "google.oauth2.credentials.Credentials.from_authorized_user_info"
    from google.oauth2.credentials import Credentials

    def read(info, scopes=None):
        return Credentials(None, refresh_token="r", token_uri=info["token_uri"], client_id="c", client_secret="s")

    monkeypatch.setattr(real, read)
    return f"{served.url}/token"


def test_credentials_that_have_expired(served, credentials, tokens):
    credentials(person(tokens))
    served.answer_with(
        "POST /token", '{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}', 400
    )
    error = caught(lambda: Session(PROJECT, REGION).who())
    assert error.message == "The Google credentials have expired: invalid_grant: Token has been expired or revoked."
    assert "gcloud auth application-default login" in error.hint


def test_a_clock_that_is_wrong(served, credentials, tokens):
    credentials(person(tokens))
    said = "Invalid JWT: Token must be a short-lived token. Check your iat and exp values in the JWT claim."
    served.answer_with("POST /token", json.dumps({"error": "invalid_grant", "error_description": said}), 400)
    error = caught(lambda: Session(PROJECT, REGION).who())
    assert error.message == "This computer's clock is not Google's, so Google refuses its credentials."
    assert error.hint == "Set the clock: `timedatectl set-ntp true`."


def test_requests_of_a_person_count_for_the_project(served, credentials, tokens, recwarn):
    credentials(person(tokens))
    assert Session(PROJECT, REGION)._credentials().quota_project_id == PROJECT
    assert not [warning for warning in recwarn if "quota project" in str(warning.message)]


def test_credentials_that_google_does_not_know(cloud):
    cloud.refuse(INSTANCES, 401, "authError", "Invalid Credentials")
    message, hint = asked()
    assert message == f"Google does not know these credentials, or they have expired (asked to {PURPOSE})."
    assert "gcloud auth application-default login" in hint


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        ("Required 'compute.instances.list' permission for 'projects/my-project'", None),
        ("Permission denied", {"permission": "compute.instances.list", "resource": "projects/my-project"}),
    ],
)
def test_a_permission_that_is_lacking_is_named(cloud, said, facts):
    cloud.refuse(INSTANCES, 403, "forbidden" if facts is None else "IAM_PERMISSION_DENIED", said, facts=facts)
    message, hint = asked()
    assert message == f"Google denies compute.instances.list, which is needed to {PURPOSE}."
    assert hint == "Have compute.instances.list granted in project my-project; `anywhere doctor` says to which account."


def test_a_permission_of_storage_is_named(cloud):
    said = "me@my-project.iam.gserviceaccount.com does not have storage.buckets.get access to the bucket. Permission"
    cloud.refuse("GET /storage", 403, "forbidden", said)
    assert looked()[0] == "Google denies storage.buckets.get, which is needed to look at it."


def test_denied_without_saying_what(cloud):
    cloud.refuse(INSTANCES, 403, "forbidden", "Request had insufficient authentication scopes.")
    message, hint = asked()
    assert message == (f"Google denies what is needed to {PURPOSE}: Request had insufficient authentication scopes.")
    assert "`anywhere doctor` says to which account" in hint


@pytest.mark.parametrize(
    ("reason", "facts"),
    [
        ("accessNotConfigured", None),
        ("SERVICE_DISABLED", {"service": "compute.googleapis.com", "consumer": "projects/1"}),
    ],
)
def test_an_api_that_is_not_enabled(cloud, reason, facts):
    said = "Compute Engine API has not been used in project 1 before or it is disabled. Enable it by visiting https://x"
    cloud.refuse(INSTANCES, 403, reason, said, facts=facts)
    assert asked() == (
        f"The API compute.googleapis.com is not enabled in project my-project (asked to {PURPOSE}).",
        "Enable it: gcloud services enable compute.googleapis.com --project my-project",
    )


def test_requests_that_count_for_no_project(cloud):
    facts = {"service": "serviceusage.googleapis.com", "consumer": "projects/764086051850"}
    cloud.refuse("GET /storage", 403, "SERVICE_DISABLED", "The API requires a quota project", facts=facts)
    message, hint = looked()
    assert message.startswith("These credentials name no project that their requests count for")
    assert hint == "Name it: gcloud auth application-default set-quota-project my-project"


def test_a_project_that_there_is_not(cloud):
    cloud.refuse(INSTANCES, 404, "notFound", "The resource 'projects/my-project' was not found")
    message, hint = asked()
    assert message == "There is no project my-project, or these credentials may not see it."
    assert hint.startswith("Fix providers.gce.project")


def test_a_project_that_requests_may_not_count_for(cloud):
    said = "Caller does not have required permission to use project my-project. Grant the caller the role."
    cloud.refuse("GET /storage", 403, "USER_PROJECT_DENIED", said, facts={"consumer": "projects/my-project"})
    message, hint = looked()
    assert message == (
        "Google denies serviceusage.services.use, without which no request counts for project my-project."
    )
    assert hint.startswith("Have roles/serviceusage.serviceUsageConsumer granted in project my-project")


def test_a_project_without_billing(cloud):
    cloud.refuse(INSTANCES, 403, "BILLING_DISABLED", "This API method requires billing to be enabled.", facts={})
    message, hint = asked()
    assert message == f"Project my-project has no billing account (Google was asked to {PURPOSE})."
    assert hint == "Link one: gcloud billing projects link my-project --billing-account ACCOUNT"


@pytest.mark.parametrize(("status", "reason"), [(429, "RATE_LIMIT_EXCEEDED"), (403, "rateLimitExceeded")])
def test_throttled_too_often(cloud, status, reason):
    cloud.refuse(INSTANCES, status, reason, "Quota exceeded for quota metric 'Queries'")
    message, hint = asked()
    assert message == f"Google answers too many requests of project my-project already (asked to {PURPOSE})."
    assert hint == "Wait a minute, then run the same command again."


@pytest.mark.parametrize(
    ("status", "reason"), [(429, ""), (403, "rateLimitExceeded"), (503, "backendError"), (500, "internalError")]
)
def test_what_passes_is_tried_again(cloud, status, reason):
    cloud.refuse(INSTANCES, status, reason, times=2)
    assert Session(PROJECT, REGION).items("InstancesClient", "aggregated_list", PURPOSE) == []
    assert len(cloud.asked) == 3


def test_what_passes_is_tried_again_at_other_services(cloud):
    cloud.buckets["states"] = {"name": "states"}
    cloud.refuse("GET /storage", 503, "backendError", times=2)
    assert Session(PROJECT, REGION).rest("look at it", "GET", BUCKET) == {"name": "states"}
    assert len(cloud.asked) == 3


def test_a_refusal_is_not_tried_again(cloud):
    cloud.refuse(INSTANCES, 403, "forbidden")
    asked()
    assert len(cloud.asked) == 1


def test_a_fault_of_google(cloud):
    cloud.refuse(INSTANCES, 503, "backendError", "Backend Error")
    message, hint = asked()
    assert message == f"Google has a fault: 503 Backend Error (asked to {PURPOSE})."
    assert "later" in hint


def test_a_quota_that_an_operation_runs_into(cloud):
    said = "Quota 'CPUS' exceeded. Limit: 8.0 in region europe-west1."
    cloud.add("firewalls", "k8s-fw-a", network="x/networks/star-wars")
    cloud.fail("DELETE .*/firewalls/", 403, "QUOTA_EXCEEDED", said)
    error = caught(
        lambda: Session(PROJECT, REGION).wait("FirewallsClient", "delete", "remove it", 1, firewall="k8s-fw-a")
    )
    assert error.message == f"A quota of project my-project is used up: {said}"
    assert error.hint == "Ask for more: https://console.cloud.google.com/iam-admin/quotas?project=my-project"


def test_something_else(cloud):
    cloud.refuse(INSTANCES, 400, "invalid", "Invalid value for field 'filter'\nand another line")
    assert asked()[0] == (
        f"Google was asked to {PURPOSE}, and refused: 400 Invalid value for field 'filter' and another line"
    )


def test_an_endpoint_that_nobody_answers_at(cloud, monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    message, hint = asked()
    assert message == f"Google cannot be reached (asked to {PURPOSE}): [Errno 111] Connection refused."
    assert hint == "See to the network, to HTTPS_PROXY and to ANYWHERE_GCE_ENDPOINT."
    assert looked()[0] == "Google cannot be reached (asked to look at it): [Errno 111] Connection refused."
    error = caught(lambda: Session(PROJECT, REGION).rest("look at it", "GET", f"{BUCKET}/{'long/' * 80}"))
    assert error.message == "Google cannot be reached (asked to look at it): [Errno 111] Connection refused."


def test_an_endpoint_that_takes_requests_and_never_answers_is_soon_left(cloud, monkeypatch):
    monkeypatch.setattr(sessions, "SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert looked()[0] == "Google cannot be reached (asked to look at it): timed out."
        silent.settimeout(0)
        taken = 0
        with pytest.raises(BlockingIOError):
            while True:
                silent.accept()[0].close()
                taken += 1
    assert taken == 2


@pytest.mark.parametrize("status", [200, 403])
def test_a_page_instead_of_an_answer(cloud, status):
    cloud.answer_with("GET ", "<!doctype html><p>Sign in to this network", status)
    for message, hint in (asked(), looked()):
        assert message.startswith("Something that is not Google answers in its place (asked to ")
        assert "HTTPS_PROXY" in hint
