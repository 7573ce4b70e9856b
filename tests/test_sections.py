"""The sections of `providers`: what each target is told beside the portable spec."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from ipaddress import IPv4Network

import pytest
from test_schema import FULL, check_problems, loaded, put

from generator.errors import InvalidFile
from generator.sections import S3, Aws, Gce, GceNetwork, Gcs, Vpc

SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
VPC = {"id": "vpc-0123456789abcdef0", "subnets": SUBNETS, "public_subnets": []}


def section(target, **other):
    """What the adapter is given of a section with the keys `other`."""
    return getattr(loaded(put(FULL, ("providers", target), FULL["providers"][target] | other)).providers, target)


def problems(target, **other):
    """(path below the section, message, hint) of everything that is wrong with it."""
    with pytest.raises(InvalidFile) as caught:
        section(target, **other)
    check_problems(caught.value, 200)
    return [(p.path.removeprefix(f"providers.{target}."), p.message, p.hint) for p in caught.value.problems]


def test_a_section_is_complete_typed_and_frozen():
    required = {"region": "eu-west-1", "admin_cidrs": ["203.0.113.0/24"]}
    assert loaded(put(FULL, ("providers", "aws"), required)).providers.aws == Aws(
        region="eu-west-1",
        account=None,
        admin_cidrs=(IPv4Network("203.0.113.0/24"),),
        zones=(),
        sizes={},
        nat="one",
        load_balancer=None,
        vpc=None,
        images={},
        tags={},
        backend=None,
    )
    required = {"project": "my-project", "region": "europe-west1", "admin_cidrs": ["203.0.113.0/24"]}
    found = loaded(put(FULL, ("providers", "gce"), required)).providers.gce
    assert found == Gce(
        project="my-project",
        project_number=None,
        region="europe-west1",
        admin_cidrs=(IPv4Network("203.0.113.0/24"),),
        zones=(),
        sizes={},
        nat="one",
        load_balancer=None,
        network=None,
        images={},
        labels={},
        kms_key=None,
        backend=None,
    )
    with pytest.raises(FrozenInstanceError):
        found.nat = "none"


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_a_cloud_that_is_not_spoken_of_has_no_section(target):
    assert getattr(loaded({**FULL, "providers": {}}).providers, target) is None


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_a_cloud_that_is_named_without_a_value_lacks_what_it_must_have(target):
    with pytest.raises(InvalidFile, match=rf"providers\.{target}\.region: is missing"):
        loaded(put(FULL, ("providers", target), None))


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_nobody_is_let_in_by_default(target):
    with pytest.raises(InvalidFile, match=rf"providers\.{target}\.admin_cidrs: is missing \(such as"):
        loaded(put(FULL, ("providers", target), {"project": "my-project", "region": "x"}))
    assert problems(target, admin_cidrs=[])[0][:2] == ("admin_cidrs", "should not be empty")


@pytest.mark.parametrize("target", ["aws", "gce"])
def test_one_address_is_to_be_written_as_a_range(target):
    assert problems(target, admin_cidrs=["203.0.113.0/24", "198.51.100.7"]) == [
        ("admin_cidrs[1]", "198.51.100.7 is one address, not a range", "did you mean 198.51.100.7/32?")
    ]


@pytest.mark.parametrize(
    ("target", "zone", "other", "meant"),
    [
        ("aws", "eu-west-1b", "eu-west-2b", "did you mean eu-west-1b?"),
        ("gce", "europe-west1-c", "europe-west2-c", "did you mean europe-west1-c?"),
    ],
)
def test_zones_lie_in_the_region_and_are_named_once(target, zone, other, meant):
    assert section(target, zones=[zone]).zones == (zone,)
    region = section(target).region
    assert problems(target, zones=[zone, other]) == [("zones[1]", f"zone {other} is not in region {region}", meant)]
    assert problems(target, zones=[zone, zone]) == [("zones", f"{zone} is given twice", "remove one of the two")]
    # Which of the two is wrong cannot be known while the region has not even the form of one.
    assert [path for path, *_ in problems(target, region="Ireland", zones=[zone])] == ["region"]


@pytest.mark.parametrize(("target", "usual"), [("aws", "t3.medium"), ("gce", "e2-medium")])
def test_a_size_is_a_type_alone_or_types_by_architecture(target, usual):
    both = {"amd64": usual, "arm64": "t4g.large"}
    assert section(target, sizes={"medium": usual, "large": both}).sizes == {
        "medium": {"amd64": usual},
        "large": both,
    }
    for wrong in (3, ["t3"], {}):
        (path, message, hint) = problems(target, sizes={"medium": wrong})[0]
        assert (path, message) == ("sizes.medium", f"should be a machine type, not {json.dumps(wrong)}")
        assert hint.startswith(f"such as {usual}, or {{arm64: ")
    form = ('has the wrong form: "T3"', f"such as {usual}")
    assert problems(target, sizes={"medium": "T3"}) == [("sizes.medium", *form)]
    assert problems(target, sizes={"medium": {"arm64": "T3"}}) == [("sizes.medium.arm64", *form)]


@pytest.mark.parametrize("target", ["aws", "gce"])
@pytest.mark.parametrize(
    ("keys", "where", "meant"),
    [
        ({"sizes": {"huge": "t3.medium"}}, "sizes.huge", "one of: tiny, small, medium, large, xlarge"),
        ({"sizes": {"medium": {"arm": "t4g.medium"}}}, "sizes.medium.arm", "did you mean arm64?"),
        ({"images": {"x86_64": "ami-0123456789abcdef0"}}, "images.x86_64", "one of: amd64, arm64"),
        ({"load_balancer": "yes"}, "load_balancer", "write true"),
    ],
)
def test_words_are_those_that_are_known(target, keys, where, meant):
    assert (where, meant) in [(path, hint) for path, _, hint in problems(target, **keys)]


@pytest.mark.parametrize(
    ("target", "keys", "where"),
    [
        ("aws", {"zones": ["a"]}, "zones[0]"),
        ("aws", {"account": "12"}, "account"),
        ("aws", {"vpc": VPC | {"id": "vpc-XYZ"}}, "vpc.id"),
        ("aws", {"vpc": VPC | {"subnets": ["subnet-0123456789abcdef0", "net-1"]}}, "vpc.subnets[1]"),
        ("aws", {"images": {"amd64": "debian-13"}}, "images.amd64"),
        ("aws", {"tags": {"a b": "x"}}, 'tags."a b"'),
        ("aws", {"tags": {"team": "\u00e9"}}, "tags.team"),
        ("aws", {"backend": {"s3": {"bucket": "My_Bucket"}}}, "backend.s3.bucket"),
        ("gce", {"zones": ["b"]}, "zones[0]"),
        ("gce", {"project": "Mine"}, "project"),
        ("gce", {"project_number": "12"}, "project_number"),
        ("gce", {"network": {"name": "My network", "subnetwork": "nodes"}}, "network.name"),
        ("gce", {"images": {"arm64": "debian-13-arm64"}}, "images.arm64"),
        ("gce", {"labels": {"Team": "x"}}, "labels.Team"),
        ("gce", {"labels": {"team": "X"}}, "labels.team"),
        ("gce", {"kms_key": "my-key"}, "kms_key"),
        ("gce", {"backend": {"gcs": {"bucket": "B"}}}, "backend.gcs.bucket"),
    ],
)
def test_what_has_not_the_right_form_is_shown_one_that_has(target, keys, where):
    ((path, message, hint),) = problems(target, **keys)
    assert path == where and message.startswith("has the wrong form: ") and hint.startswith("such as ")


@pytest.mark.parametrize("ending", ["", "\n", " ", "\u0000"])
def test_a_form_is_that_of_the_whole_text(ending):
    image = "ami-0123456789abcdef0" + ending
    if ending:
        assert problems("aws", images={"amd64": image})[0][0] == "images.amd64"
    else:
        assert section("aws", images={"amd64": image}).images == {"amd64": image}


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        ("aws", {"tags": {"aws:cloudformation:stack": "x"}}),
        ("aws", {"tags": {"anywhere-cluster": "other"}}),
        ("aws", {"tags": {"kubernetes.io": "x"}}),
        ("gce", {"labels": {"anywhere-role": "master"}}),
        ("gce", {"labels": {"goog-managed": "x"}}),
    ],
)
def test_keys_that_others_go_by_are_kept_for_them(target, keys):
    ((path, message, hint),) = problems(target, **keys)
    assert "is a key that is kept for others" in message and hint == "take a prefix of your own"
    assert path.startswith(("tags.", "labels."))


def test_tags_and_labels_are_kept_as_written():
    assert section("aws", tags={"cost.centre": "a/b = c"}).tags == {"cost.centre": "a/b = c"}
    assert section("gce", labels={"team": ""}).labels == {"team": ""}


def test_networks_that_are_there_come_whole():
    assert section("aws", vpc=VPC).vpc == Vpc(VPC["id"], tuple(SUBNETS), ())
    mine = {"name": "mine", "subnetwork": "nodes"}
    own = section("gce").project
    assert section("gce", network=mine).network == GceNetwork("mine", "nodes", own)
    assert section("gce", network=mine | {"project": "host-1138"}).network == GceNetwork("mine", "nodes", "host-1138")
    assert problems("aws", vpc={"id": VPC["id"]})[0][:2] == ("vpc.subnets", "is missing")
    assert problems("aws", vpc=VPC | {"subnets": []})[0][:2] == ("vpc.subnets", "should not be empty")
    assert problems("aws", vpc=VPC | {"subnets": SUBNETS[:1] * 2})[0][0] == "vpc.subnets"
    assert problems("gce", network={"name": "mine"})[0][:2] == ("network.subnetwork", "is missing")


def test_each_cloud_has_its_own_backend_whose_other_keys_are_the_clusters():
    assert section("aws", backend={"s3": {"bucket": "states"}}).backend == S3("states", key=None, region=None)
    assert section("gce", backend={"gcs": {"bucket": "states"}}).backend == Gcs("states", prefix=None)
    both = problems("aws", backend={"gcs": {"bucket": "states"}})
    assert {path: message for path, message, _ in both} == {
        "backend.gcs": "is not a known key",
        "backend.s3": "is missing",
    }
    assert problems("gce", backend={})[0][:2] == ("backend.gcs", "is missing")


def test_names_of_every_partition_and_of_projects_of_a_domain_are_accepted():
    assert section("aws", region="eusc-de-east-1", zones=["eusc-de-east-1a"]).zones == ("eusc-de-east-1a",)
    assert section("aws", region="us-isob-east-1").region == "us-isob-east-1"
    assert section("gce", project="example.com:galaxy").project == "example.com:galaxy"
    assert problems("gce", project="example.com:")[0][0] == "project"


@pytest.mark.parametrize(("target", "nat"), [("aws", "zone"), ("gce", "none")])
def test_ways_out_are_those_that_the_cloud_has(target, nat):
    assert section(target, nat=nat).nat == nat
    assert problems("gce", nat="zone") == [("nat", 'should be none or one, not "zone"', "")]


def test_sections_are_read_without_any_cloud_s_library():
    script = "import sys, generator.schema.models; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore", "google.auth", "google.cloud"} & set(done.stdout.split())
