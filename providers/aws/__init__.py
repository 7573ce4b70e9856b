"""Machines on AWS. boto3 is imported only once something is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.aws.adapter import Aws


def provider() -> Aws:
    from providers.aws.adapter import Aws

    return Aws()
