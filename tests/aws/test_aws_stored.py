"""What machines with etcd keep in the bucket, as whoever operates the cluster reads it."""

import pytest

from generator.errors import UserError

BUCKET = "wars-documents-123456789012"


@pytest.fixture
def bucket(client):
    where = {"LocationConstraint": "eu-west-1"}
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    return client("s3")


@pytest.fixture
def stored(provider, defined, locked):
    return provider.stored(defined(), locked({"account": "123456789012"}))


def test_names_over_all_pages(bucket, stored):
    keys = [f"etcd/snapshots/{number:04}.json" for number in range(1100)]
    for key in ("etcd/cluster", "release.json", *keys):
        bucket.put_object(Bucket=BUCKET, Key=key, Body=b"")
    assert stored.names("etcd/snapshots/") == tuple(keys)


def test_reads_and_writes(bucket, stored, tmp_path):
    stored.write("etcd/snapshots/asked", {"at": "now"})
    stored.read("etcd/snapshots/asked", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b'{"at": "now"}'


def test_refusals_say_what_was_asked(aws, stored, tmp_path):
    with pytest.raises(UserError) as caught:
        stored.names("etcd/snapshots/")
    assert BUCKET in caught.value.message
