"""AWS's regions, as far as they are known without asking."""

from __future__ import annotations

import re
from collections.abc import Iterable

from generator.errors import UserError

# Regions that an account has without asking for them. Any later one is off until somebody turns it on.
ALWAYS_ON = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"),
        *("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"),
    }
)
_PUBLIC = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d")  # no other partition names its regions so


def home(region: str) -> str:
    """Where to ask about `region` itself, which may be off or not exist at all."""
    return "us-east-1" if _PUBLIC.fullmatch(region) and region not in ALWAYS_ON else region


def known() -> list[str]:
    """Those that this botocore knows, of every partition."""
    from botocore.session import Session

    session = Session()
    return [
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    ]


def partition(region: str) -> str:
    """Which of AWS's clouds, apart from each other, `region` is in: ARNs begin with it."""
    from botocore.exceptions import UnknownRegionError
    from botocore.session import Session

    try:
        return str(Session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"  # where regions are added more often than elsewhere


def refusal(region: str, there: Iterable[str]) -> UserError:
    """That `region` is none of those that are `there`."""
    from generator.decode import nearest

    hint = f"Fix providers.aws.region: {nearest(region, sorted(there))}"
    return UserError(f"AWS has no region {region}.", hint)
