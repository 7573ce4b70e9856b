"""What is known without a cloud: the account, the project, and what a provider's own settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.local.terraform.schema import UNKNOWN, State
from tests.offline import policy
from tests.offline.jsii import Block

Answer = Callable[[State, State], State]
"""(the data source's configuration, the provider's) to the attributes that are known."""

ACCOUNT = "123456789012"
PROJECT_NUMBER = "123456789012"
_USER = f"arn:aws:iam::{ACCOUNT}:user/offline"


def _known(settings: State, *names: str) -> str | None:
    """The first of a provider's settings that is there."""
    values = (settings.get(name) for name in names)
    return next((value for value in values if isinstance(value, str)), None)


def _zones(config: State, settings: State) -> State:
    region = _known(config, "region") or _known(settings, "region") or "us-east-1"
    letters = "abc"
    ids = [f"{region}-az{number}" for number, _ in enumerate(letters, 1)]
    return {"id": region, "names": [region + letter for letter in letters], "zone_ids": ids}


def _google_zones(config: State, settings: State) -> State:
    region = _known(config, "region") or _known(settings, "region") or "us-central1"
    return {"names": [f"{region}-{letter}" for letter in "abc"]}


def _region(config: State, settings: State) -> State:
    name = _known(config, "region", "name") or _known(settings, "region") or "us-east-1"
    return {"id": name, "region": name, "name": name, "description": name, "endpoint": f"ec2.{name}.amazonaws.com"}


def _project(config: State, settings: State) -> State:
    project = _known(config, "project_id") or _known(settings, "project") or "offline"
    return {"id": f"projects/{project}", "project_id": project, "name": project, "number": PROJECT_NUMBER}


def _client(config: State, settings: State) -> State:
    return {name: _known(settings, name) for name in ("project", "region", "zone")}


def _storage_agent(config: State, settings: State) -> State:
    email = f"service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    return {"email_address": email, "member": f"serviceAccount:{email}"}


def nothing(config: State, settings: State) -> State:
    return {}


DATA: dict[str, Answer] = {
    "aws_availability_zones": _zones,
    "aws_caller_identity": lambda config, settings: {
        "id": ACCOUNT, "account_id": ACCOUNT, "arn": _USER, "user_id": "AIDAOFFLINE",
    },
    "aws_iam_policy_document": lambda config, settings: policy.answer(config),
    "aws_partition": lambda config, settings: {
        "id": "aws", "partition": "aws", "dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws",
    },
    "aws_region": _region,
    "google_client_config": _client,
    "google_compute_zones": _google_zones,
    "google_project": _project,
    "google_storage_project_service_account": _storage_agent,
}  # fmt: skip


def inherit(block: Block, planned: State, settings: State) -> None:
    """Fill in what a resource takes from its provider: region, project, zone, and the tags or labels of all."""
    for name in ("region", "project", "zone"):
        if planned.get(name) is UNKNOWN and block["attributes"][name].get("optional") and _known(settings, name):
            planned[name] = settings[name]
    common = _common_tags(settings)
    for own, every in (("tags", "tags_all"), ("labels", "terraform_labels"), ("labels", "effective_labels")):
        if every in block["attributes"] and own in block["attributes"]:
            planned[every] = _together(common, planned[own])


def _common_tags(settings: State) -> Any:
    if settings.get("default_labels") is UNKNOWN:
        return UNKNOWN
    tags = dict(settings.get("default_labels") or {})
    for block in settings.get("default_tags") or []:
        if block["tags"] is UNKNOWN:
            return UNKNOWN
        tags |= block["tags"] or {}
    return tags


def _together(common: Any, own: Any) -> Any:
    """The union; Terraform sends an absent map as null."""
    if common is UNKNOWN or own is UNKNOWN:
        return UNKNOWN
    return {**common, **(own or {})}
