"""Whether the controller manager and the scheduler lead, over several looks at their leases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from generator.workloads import Lease
from providers import Check

COMPONENTS = ("kube-controller-manager", "kube-scheduler")
# A leader renews its lease every 5 s, and steps down where it could not for 40 s: see generator/components.
RENEWAL_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """A lease, when it was seen to change last or was first looked at, and when its holder was seen to change."""

    lease: Lease
    since: float
    renewed: bool = False
    lost_at: float | None = None


class Leaders:
    """The leases as looked at so far. Times are of this computer's monotonic clock, and no other clock is believed."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._now = 0.0

    def look(self, leases: Iterable[Lease], now: float) -> None:
        """Take note of the leases at the time `now`, in seconds."""
        self._now = now
        for lease in leases:
            if lease.name in COMPONENTS:
                self._watched[lease.name] = _next(self._watched.get(lease.name), lease, now)

    @property
    def renewed(self) -> bool:
        """Whether every lease was seen to be renewed."""
        return all(name in self._watched and self._watched[name].renewed for name in COMPONENTS)

    def checks(self) -> tuple[Check, ...]:
        """One for each component."""
        return tuple(self._check(name) for name in COMPONENTS)

    def _check(self, name: str) -> Check:
        hint = f"`anywhere ssh MASTER -- sudo docker logs --tail 50 {name}` says why; see if etcd's disk is slow."
        watched = self._watched.get(name)
        if watched is None:
            return Check(name, False, "No instance of it leads.", hint.replace("MASTER", "master1"), needed=True)
        holder, count = watched.lease.holder or "master1", watched.lease.transitions
        hint, silent = hint.replace("MASTER", holder), self._now - watched.since
        if not watched.renewed or silent > RENEWAL_SECONDS:
            said = f"{holder} leads, but has not renewed its lease for {silent:.0f} s."
            return Check(name, False, said, hint, needed=True)
        if watched.lost_at is not None and self._now - watched.lost_at <= RENEWAL_SECONDS:
            said = f"It lost its lease just now; {holder} leads, after {count} changes of leader so far."
            return Check(name, False, said, hint, needed=True)
        return Check(name, True, f"{holder} leads, after {count} changes of leader")


def _next(before: _Watched | None, lease: Lease, now: float) -> _Watched:
    if before is None:
        return _Watched(lease, now)
    lost = (lease.holder, lease.transitions) != (before.lease.holder, before.lease.transitions)
    lost_at = now if lost else before.lost_at
    if lease.renewed != before.lease.renewed:
        return _Watched(lease, now, True, lost_at)
    return _Watched(lease, before.since, before.renewed, lost_at)
