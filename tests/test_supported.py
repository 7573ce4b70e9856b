"""Which versions of Kubernetes a version of anywhere can manage."""

import pytest

from generator import supported
from generator.definition import NEWEST, VERSION


@pytest.mark.parametrize("version", [*NEWEST.values(), "v1.36.0", "v1.37.99", f"{VERSION}-dirty"])
def test_every_patch_of_a_supported_minor_version_is_managed(version):
    assert supported.kubernetes(version).managed


def test_the_minor_version_that_ended_last_can_be_upgraded():
    verdict = supported.kubernetes("v1.34.7")
    assert verdict.managed and "upgraded to v1.35.8" in verdict.said


@pytest.mark.parametrize(
    ("version", "said", "remedy"),
    [
        ("v1.33.9", "too old", "Upgrade to v1.34 first"),
        ("v1.9.0", "too old", "Upgrade to v1.34 first"),
        ("v1.38.0", "newer than", "Install the version of anywhere"),
        ("v2.0.0", "newer than", "Install the version of anywhere"),
        ("nonsense", "no version", ""),
    ],
)
def test_others_are_not_and_why(version, said, remedy):
    verdict = supported.kubernetes(version)
    assert not verdict.managed and said in verdict.said and remedy in verdict.remedy


def test_what_is_managed_is_said_in_words():
    assert supported.kubernetes_minors() == "v1.35, v1.36 and v1.37"
    assert supported.upgradable() == "v1.34 (by an upgrade to v1.35.8)"
