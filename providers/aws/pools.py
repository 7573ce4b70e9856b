"""Auto Scaling groups: how their workers go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.aws.machines import CLUSTER
from providers.aws.refusal import AwsError
from providers.aws.session import Session

HASTEN = "spare workers the time to leave a cluster that goes as a whole"


def groups(session: Session, cluster: str, purpose: str) -> Iterator[dict[str, Any]]:
    """The cluster's groups."""
    filters = [{"Name": f"tag:{CLUSTER}", "Values": [cluster]}]
    found = session.items("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", purpose, Filters=filters)
    yield from found


def hasten(session: Session, cluster: str) -> None:
    """Have workers go at once. Each would have minutes to leave, and Terraform waits for the last of them.

    Where that is denied, destroying takes those minutes.
    """
    try:
        for name in [group["AutoScalingGroupName"] for group in groups(session, cluster, HASTEN)]:
            arguments = {"AutoScalingGroupName": name}
            answer = session.call("autoscaling", "describe_lifecycle_hooks", HASTEN, **arguments)
            for hook in answer["LifecycleHooks"]:
                arguments["LifecycleHookName"] = hook["LifecycleHookName"]
                session.call("autoscaling", "delete_lifecycle_hook", HASTEN, **arguments)
    except AwsError as error:
        if not error.denied:
            raise
