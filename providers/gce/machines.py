"""A cluster's machines as Google shows them: instances by label, and what their serial consoles say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from providers import Observed
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

CLUSTER, NAME, GROUP = "anywhere-cluster", "anywhere-name", "anywhere-group"
GOING_ON = ("PROVISIONING", "STAGING", "RUNNING", "REPAIRING")
PURPOSE = "read a machine's serial console"

THREADS = 8
KEPT = 256 * 1024  # characters of a console; its end is what matters
Place = tuple[str, str]  # zone and name


def instances(session: Session, cluster: str, purpose: str) -> list[Any]:
    """The cluster's instances that are there, started or not."""
    wanted = f"labels.{CLUSTER} = {cluster}"
    return session.items("InstancesClient", "aggregated_list", purpose, filter=wanted)


def observe(session: Session, cluster: str, consoles: Consoles, *, ssh: bool) -> tuple[Observed, ...]:
    """The cluster's machines, by name. `ssh` says whether they let anybody in."""
    found = instances(session, cluster, "see which machines there are")
    texts = consoles.read(session, [(last(i.zone), i.name) for i in found if i.status in GOING_ON])
    seen = [_observed(session.project, cluster, instance, texts, ssh) for instance in found]
    return tuple(sorted(seen, key=lambda machine: (machine.name, machine.running)))


@dataclass
class Consoles:
    """Serial consoles as read so far; each call asks only for what was written since the last."""

    _texts: dict[Place, str] = field(default_factory=dict)
    _next: dict[Place, int] = field(default_factory=dict)

    def read(self, session: Session, places: Iterable[Place]) -> Mapping[Place, str]:
        """The consoles of the instances at `places`; "" where there is nothing yet, or it may not be read."""
        wanted = sorted(places)
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda place: _console(session, place, self._next.get(place, 0)), wanted))
        for place, answer in zip(wanted, answers, strict=True):
            if answer is None:
                continue
            # A console that begins anew belongs to a machine that was made anew under its name.
            kept = self._texts.get(place, "") if answer.start and answer.start == self._next.get(place) else ""
            self._texts[place] = (kept + answer.contents)[-KEPT:]
            self._next[place] = answer.next_
        for place in self._texts.keys() - set(wanted):
            del self._texts[place], self._next[place]
        return self._texts


def _console(session: Session, place: Place, start: int) -> Any:
    """What the console says from `start` on; None where it cannot be told this time."""
    zone, name = place
    try:
        return session.call(
            "InstancesClient", "get_serial_port_output", PURPOSE, zone=zone, instance=name, port=1, start=start
        )
    except GoogleError as error:
        # Consoles are an extra: one that may not be read, or is gone by now, stops nobody.
        if error.denied or error.gone or error.passing or error.status == 400:
            return None
        raise


def _observed(project: str, cluster: str, instance: Any, texts: Mapping[Place, str], ssh: bool) -> Observed:
    zone, name, group = last(instance.zone), instance.labels.get(NAME, ""), instance.labels.get(GROUP, "")
    interfaces = list(instance.network_interfaces)
    return Observed(
        name=name or instance.name.removeprefix(f"{cluster}-"),
        running=instance.status in GOING_ON,
        address=interfaces[0].network_i_p if interfaces else "",
        console=texts.get((zone, instance.name), ""),
        ssh=ssh_command(project, zone, instance.name) if ssh else (),
        group="" if name else group,
    )


def ssh_command(project: str, zone: str, instance: str) -> tuple[str, ...]:
    """ssh through IAP, as the caller's own account."""
    place = ("--project", project, "--zone", zone)
    return ("gcloud", "compute", "ssh", *place, "--tunnel-through-iap", instance, "--")
