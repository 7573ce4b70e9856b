"""A cluster's machines as Google shows them: instances by label, and what their serial consoles say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from providers import Observed
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

CLUSTER, NAME, GROUP = "anywhere-cluster", "anywhere-name", "anywhere-group"
GOING_ON = ("PROVISIONING", "STAGING", "RUNNING", "REPAIRING")
GOING_AWAY = ("PENDING_STOP", "STOPPING", "DEPROVISIONING")
PURPOSE = "read a machine's serial console"

THREADS = 8
MOST = 100  # consoles read in one call: Google grants some hundred requests a minute
KEPT = 256 * 1024  # characters of a console; its end is what matters


@dataclass(frozen=True, slots=True, order=True)
class Boot:
    """An instance since it was last started: another one of its name has a console of its own."""

    zone: str
    name: str
    number: int
    started: str


def instances(session: Session, cluster: str, purpose: str) -> list[Any]:
    """The cluster's instances in the region that are there, started or not."""
    found = session.items("InstancesClient", "aggregated_list", purpose, filter=f"labels.{CLUSTER} = {cluster}")
    return [instance for instance in found if last(instance.zone).rpartition("-")[0] == session.region]


def observe(session: Session, cluster: str, consoles: Consoles, *, ssh: bool) -> tuple[Observed, ...]:
    """The cluster's machines, by name. `ssh` says whether they let anybody in."""
    found = [i for i in instances(session, cluster, "see which machines there are") if not _leaving(i)]
    texts = consoles.read(session, [_boot(instance) for instance in found if instance.status in GOING_ON])
    seen = [_observed(session.project, cluster, instance, texts, ssh) for instance in found]
    return tuple(sorted(seen, key=lambda machine: (machine.name, machine.running)))


@dataclass
class Consoles:
    """Serial consoles as read so far: each call reads on in those read longest ago, so that it stays quick."""

    _texts: dict[Boot, str] = field(default_factory=dict)  # the one read last at the end
    _next: dict[Boot, int] = field(default_factory=dict)

    def read(self, session: Session, boots: Iterable[Boot]) -> Mapping[Boot, str]:
        """The consoles of the instances `boots`; "" where there is nothing yet, or it may not be read."""
        wanted = set(boots)
        unread = sorted(wanted - self._texts.keys())
        due = [*unread, *(boot for boot in self._texts if boot in wanted)][:MOST]
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda boot: _console(session, boot, self._next.get(boot, 0)), due))
        for boot, answer in zip(due, answers, strict=True):
            self._keep(boot, self._texts.pop(boot, ""), answer)
        for boot in self._texts.keys() - wanted:
            del self._texts[boot], self._next[boot]
        return self._texts

    def _keep(self, boot: Boot, text: str, answer: Any) -> None:
        self._texts[boot], start = text, self._next.setdefault(boot, 0)
        if answer is not None:
            # Google keeps the last MiB of a console; what came between was lost, where it begins later than asked for.
            self._texts[boot] = ((text if answer.start == start else "") + answer.contents)[-KEPT:]
            self._next[boot] = answer.next_


def _leaving(instance: Any) -> bool:
    """Whether its group takes it away, which is the one reason for which a group stops a machine."""
    return instance.status in GOING_AWAY and NAME not in instance.labels


def _boot(instance: Any) -> Boot:
    return Boot(last(instance.zone), instance.name, instance.id, instance.last_start_timestamp)


def _console(session: Session, boot: Boot, start: int) -> Any:
    """What the console says from `start` on; None where it cannot be told this time."""
    try:
        return session.once(
            "InstancesClient",
            "get_serial_port_output",
            PURPOSE,
            zone=boot.zone,
            instance=boot.name,
            port=1,
            start=start,
        )
    except GoogleError as error:
        # Consoles are an extra: one that may not be read, or is gone by now, stops nobody.
        if error.denied or error.gone or error.passing or error.status == 400:
            return None
        raise


def _observed(project: str, cluster: str, instance: Any, texts: Mapping[Boot, str], ssh: bool) -> Observed:
    zone, name, group = last(instance.zone), instance.labels.get(NAME, ""), instance.labels.get(GROUP, "")
    interfaces = list(instance.network_interfaces)
    return Observed(
        name=name or instance.name.removeprefix(f"{cluster}-"),
        running=instance.status in GOING_ON,
        address=interfaces[0].network_i_p if interfaces else "",
        console=texts.get(_boot(instance), ""),
        ssh=ssh_command(project, zone, instance.name) if ssh else (),
        group="" if name else group,
        started=datetime.fromisoformat(when).timestamp() if (when := instance.last_start_timestamp) else 0.0,
    )


def ssh_command(project: str, zone: str, instance: str) -> tuple[str, ...]:
    """ssh through IAP, as the caller's own account."""
    place = ("--project", project, "--zone", zone)
    return ("gcloud", "compute", "ssh", *place, "--tunnel-through-iap", instance, "--")
