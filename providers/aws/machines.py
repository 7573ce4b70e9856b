"""A cluster's machines as AWS shows them: EC2 instances by tag, and what their serial consoles say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from providers import Observed
from providers.aws.refusal import AwsError
from providers.aws.session import Session

USER = "admin"  # of Debian's images
CLUSTER, NAME, GROUP = "anywhere-cluster", "anywhere-name", "anywhere-group"
GOING_ON = ("pending", "running")
THERE = (*GOING_ON, "stopping", "stopped")  # one that is shutting down never comes back

THREADS = 8
REREAD = 24  # consoles read again in one call, beside those that were never read: EC2 grants about 20 requests a second


def tags(thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of what EC2 and most others describe, as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", ())}


def instances(session: Session, cluster: str, purpose: str) -> list[dict[str, Any]]:
    """The cluster's instances that are there, started or not."""
    filters = [
        {"Name": f"tag:{CLUSTER}", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": list(THERE)},
    ]
    reservations = session.items("ec2", "describe_instances", "Reservations", purpose, Filters=filters)
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def observe(session: Session, cluster: str, consoles: Consoles, *, ssh: bool) -> tuple[Observed, ...]:
    """The cluster's machines, by name. `ssh` says whether they let anybody in."""
    found = instances(session, cluster, "see which machines there are")
    texts = consoles.read(session, [i["InstanceId"] for i in found if i["State"]["Name"] in GOING_ON])
    seen = [_observed(session.region, instance, texts.get(instance["InstanceId"], ""), ssh) for instance in found]
    return tuple(sorted(seen, key=lambda machine: (machine.name, machine.running)))


@dataclass
class Consoles:
    """Serial consoles as last read: each call rereads those that were read longest ago, so that it stays quick."""

    _texts: dict[str, str] = field(default_factory=dict)  # by instance id, the one read last at the end

    def read(self, session: Session, ids: Iterable[str]) -> Mapping[str, str]:
        """The consoles of the instances `ids`; "" where there is nothing yet, or it may not be read."""
        wanted = set(ids)
        known = [name for name in self._texts if name in wanted]
        unread = sorted(wanted - self._texts.keys())
        due = [*unread, *known[:REREAD]]
        with ThreadPoolExecutor(THREADS) as pool:
            read = list(pool.map(lambda name: _console(session, name), due))
        for name, text in zip(due, read, strict=True):
            last = self._texts.pop(name, "")
            self._texts[name] = last if text is None else text
        for name in self._texts.keys() - wanted:
            del self._texts[name]
        return self._texts


def _console(session: Session, instance: str) -> str | None:
    """What the console says now; None where it cannot be told this time."""
    try:
        return _output(session, instance, Latest=True)
    except AwsError as error:
        if error.code not in ("UnsupportedOperation", "InvalidParameterCombination"):
            _excuse(error)
            return None
    try:  # a type without Nitro has only what was said shortly after its start
        return _output(session, instance)
    except AwsError as error:
        _excuse(error)
        return None


def _excuse(error: AwsError) -> None:
    """Consoles are an extra: one that may not be read, or is gone by now, stops nobody."""
    if not (error.denied or error.throttled or error.code.startswith("InvalidInstanceID")):
        raise error


def _output(session: Session, instance: str, **arguments: Any) -> str:
    purpose = "read a machine's serial console"
    answer = session.call("ec2", "get_console_output", purpose, InstanceId=instance, **arguments)
    return str(answer.get("Output", ""))  # botocore has decoded it


def _observed(region: str, instance: Mapping[str, Any], console: str, ssh: bool) -> Observed:
    own = tags(instance)
    name, group = own.get(NAME, ""), own.get(GROUP, "")
    number = instance["InstanceId"].removeprefix("i-")
    return Observed(
        name=name or f"{group or 'machine'}-{number}",
        running=instance["State"]["Name"] in GOING_ON,
        address=instance.get("PrivateIpAddress", ""),
        console=console,
        ssh=ssh_command(region, instance["InstanceId"]) if ssh else (),
        group="" if name else group,
        started=instance["LaunchTime"].timestamp(),  # it is that of the last start
    )


def ssh_command(region: str, instance: str) -> tuple[str, ...]:
    """ssh through the cluster's EC2 Instance Connect Endpoint."""
    tunnel = f"aws ec2-instance-connect open-tunnel --instance-id {instance} --region {region}"
    return ("ssh", "-o", f"ProxyCommand={tunnel}", "-o", "StrictHostKeyChecking=accept-new", f"{USER}@{instance}")
