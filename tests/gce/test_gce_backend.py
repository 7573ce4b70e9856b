"""The bucket of Terraform's state."""

import pytest

from generator.errors import UserError
from providers.gce import backend
from tests.gce.cloud import NUMBER

SECTION = {"backend": {"gcs": {"bucket": "states"}}}


def test_terraform_is_told_of_it(define):
    assert backend.arguments(define()) is None
    assert backend.arguments(define(**SECTION)) == {"gcs": {"bucket": "states", "prefix": "star-wars"}}
    section = {"backend": {"gcs": {"bucket": "states", "prefix": "p"}}}
    assert backend.arguments(define(**section)) == {"gcs": {"bucket": "states", "prefix": "p"}}


def test_it_is_made_private_and_versioned_once(session, cloud, define):
    assert backend.create(session, define(**SECTION)).startswith("Made the bucket states in europe-west1")
    made = cloud.buckets["states"]
    assert made["versioning"] == {"enabled": True} and made["location"] == "europe-west1"
    assert made["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert made["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": True}
    cloud.asked.clear()
    assert backend.create(session, define(**SECTION)).startswith("The bucket states is there")
    assert not any(asked.startswith("POST") for asked in cloud.asked)


def test_one_of_ours_that_lacks_something_is_mended(session, cloud, define):
    cloud.buckets["states"] = {"name": "states", "projectNumber": NUMBER, "labels": {"anywhere-backend": "true"}}
    assert backend.create(session, define(**SECTION)) == (
        "The bucket states was there; it lacked versions, uniform access, public access prevention, and has that now."
    )
    assert backend.create(session, define(**SECTION)) == "The bucket states is there, and as it should be."


def test_one_that_somebody_else_made_is_left_alone(session, cloud, define):
    cloud.buckets["states"] = made = {"name": "states", "projectNumber": NUMBER}
    said = backend.create(session, define(**SECTION))
    assert said == (
        "The bucket states is there, and was made by somebody else: it lacks versions, uniform access, public access "
        "prevention. It was left so."
    )
    assert made == {"name": "states", "projectNumber": NUMBER}


@pytest.mark.parametrize("owner", ["nobody is told", "999"])
def test_a_name_that_is_taken(session, cloud, define, owner):
    if owner == "999":
        cloud.buckets["states"] = {"name": "states", "projectNumber": owner}
    cloud.refuse("POST /storage", 409, "conflict", "The requested bucket name is not available.")
    with pytest.raises(UserError) as caught:
        backend.create(session, define(**SECTION))
    assert caught.value.message == (
        "The bucket states belongs to another project than my-project, or may not be looked at."
    )
    assert caught.value.hint.startswith("Names of buckets are unique in all of Google Cloud: write another in ")


def test_a_bucket_that_is_not_made_as_it_was_asked_for(session, cloud, define, monkeypatch):
    kept = cloud.buckets
    monkeypatch.setattr(cloud, "buckets", Forgetful(kept))
    with pytest.raises(UserError) as caught:
        backend.create(session, define(**SECTION))
    assert caught.value.message == "The bucket states was to have public access prevention, and has not."


class Forgetful(dict):
    """Buckets whose public access nothing prevents."""

    def __setitem__(self, name, bucket):
        access = bucket["iamConfiguration"] | {"publicAccessPrevention": "inherited"}
        super().__setitem__(name, bucket | {"iamConfiguration": access})


def test_who_may_not_make_one_is_told_so(session, cloud, define):
    cloud.refuse("POST /storage", 403, "forbidden", "x does not have storage.buckets.create access to the project.")
    with pytest.raises(UserError) as caught:
        backend.create(session, define(**SECTION))
    assert caught.value.message == (
        "Google denies storage.buckets.create, which is needed to make the bucket of Terraform's state."
    )


def test_a_definition_without_one(session, define):
    with pytest.raises(UserError, match="names no backend for GCE") as caught:
        backend.create(session, define())
    assert "providers.gce.backend" in caught.value.hint


def test_whether_it_holds_a_state(session, cloud, define):
    definition = define(**SECTION)
    assert not backend.has_state(session, definition)
    cloud.buckets["states"] = {"name": "states", "projectNumber": NUMBER}
    assert not backend.has_state(session, definition)
    cloud.objects["states", "star-wars/default.tfstate"] = {}
    assert backend.has_state(session, definition)
