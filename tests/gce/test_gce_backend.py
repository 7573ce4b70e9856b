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


def test_one_that_is_not_as_it_should_be_is_left_alone(session, cloud, define):
    cloud.buckets["states"] = {"name": "states", "projectNumber": NUMBER}
    with pytest.raises(UserError, match="without versioning, uniform access, public access prevention") as caught:
        backend.create(session, define(**SECTION))
    assert "gcloud storage buckets update gs://states" in caught.value.hint


def test_a_name_that_is_taken(session, cloud, define):
    cloud.refuse("POST /storage", 409, "conflict", "The requested bucket name is not available.")
    with pytest.raises(UserError, match="The bucket states is not of project my-project") as caught:
        backend.create(session, define(**SECTION))
    assert "unique in the world" in caught.value.hint


def test_a_definition_without_one(session, define):
    with pytest.raises(UserError, match="names no backend for GCE") as caught:
        backend.create(session, define())
    assert "providers.gce.backend" in caught.value.hint
