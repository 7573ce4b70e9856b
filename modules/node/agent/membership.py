"""This machine's membership of etcd: it founds the cluster, joins it, or goes on with what its disk holds."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import etcd, host, replacement, store
from agent.docker import Docker
from agent.etcd import Changing, Etcd, Member, Silent
from agent.files import write
from agent.host import RUN, Host, NodeError
from agent.turns import Stop, Turns, Waiting

FOLDER = Path("/var/lib/etcd")
DATA = FOLDER / "data" / "member"
# How this member first started, beside its data: etcd reads these flags only then, but they are part of its container.
START = FOLDER / "start.json"
FOUNDED = "etcd/cluster"  # the key in the store of what says that the cluster was founded
KNOWN = FOLDER / "founded"  # this member has seen that
PROMOTE_SECONDS = 600
GONE_SECONDS = 300  # a newer release reaches this machine sooner
JOIN = Stop("etcd", "", lambda: False)


def prepare(release: Mapping[str, Any], me: Host, turns: Turns) -> dict[str, str]:
    """The values of etcd's flags about its first start; a member that joins is added first.

    NodeError where the data is gone and there is nothing to join: a snapshot has to be restored.
    """
    if START.exists() and _was_removed(release, me):
        print(f"{me.member}: it is no member any more, so its data is of no use", flush=True)
        _remove_containers(me)
        forget()
    if not (DATA.exists() and START.exists()):
        start = _found(release) if DATA.exists() or _founds(release, me) else _join(release, me, turns)
        write(START, json.dumps(start))
    values: dict[str, str] = json.loads(START.read_text())
    return values


def settle(release: Mapping[str, Any], me: Host, turns: Turns) -> None:
    """Once the member runs: have it vote, remove the members of machines that are gone, and record the founding."""
    client = etcd.connect(release, me.role, me.member)
    own = _own(client, me)
    if own and own.learner:
        host.wait(f"{own.name}, to catch up", lambda: _promoted(client, own), PROMOTE_SECONDS)
    members = _members(client)
    for member in members:
        if _is_gone(release, client, member):
            with turns.hold(JOIN):
                print(f"{member.name}: removed, as its machine is gone", flush=True)
                client.remove(member)
    if not KNOWN.exists() and all(client.serves(etcd.host_of(name)) for name in release["etcd"]["initial"]):
        store.put_once(FOUNDED, client.cluster().encode())
        write(KNOWN, "")


def is_founded() -> bool:
    """Whether the cluster of etcd was complete once."""
    return any(name.startswith(FOUNDED) for name in store.names("etcd/"))


def is_alone(release: Mapping[str, Any], me: Host) -> bool:
    """Whether this machine's member is the whole cluster."""
    return bool(release["etcd"]["members"] == [me.member])


def has_expired(release: Mapping[str, Any], me: Host) -> bool:
    """Whether this machine's member runs with a certificate that has expired."""
    return etcd.connect(release, me.role).has_expired(etcd.host_of(me.member))


def leave(release: Mapping[str, Any], me: Host, turns: Turns) -> None:
    """Give up this machine's membership, while the others can go on without it."""
    client = etcd.connect(release, me.role)
    with turns.hold(JOIN):
        members = client.members()
        rest = [member for member in members if member.name != me.member]
        if own := next((member for member in members if member.name == me.member), None):
            down = [member.name for member in rest if not client.serves(etcd.host_of(member.name))]
            if down or not rest:
                raise NodeError(f"{me.member} stays a member while {', '.join(down) or 'there is no other'} is down")
            client.remove(own)


def forget() -> None:
    """Remove what a member that was removed leaves behind: it never starts from that again."""
    if FOLDER.exists():
        shutil.rmtree(DATA.parent, ignore_errors=True)
        for path in (START, KNOWN):
            path.unlink(missing_ok=True)


def _is_gone(release: Mapping[str, Any], client: Etcd, member: Member) -> bool:
    """Whether the machine of a member is gone for good. It may also be one of a newer release, not yet known here."""
    since = RUN / f"gone-{member.name or member.id}"
    if member.name in release["etcd"]["members"] or (member.name and client.serves(etcd.host_of(member.name))):
        since.unlink(missing_ok=True)
        return False
    if not since.exists():
        write(since, str(time.monotonic()))
    return time.monotonic() - float(since.read_text()) > GONE_SECONDS


def _was_removed(release: Mapping[str, Any], me: Host) -> bool:
    """Whether a majority goes on without this member, which then never serves again."""
    client = etcd.connect(release, me.role)
    if client.serves(etcd.host_of(me.member)):
        return False
    members = _members(client)
    return bool(members) and all(etcd.peer_url(me.member) != member.peer for member in members)


def _founds(release: Mapping[str, Any], me: Host) -> bool:
    """Whether this member is one of the first, and the cluster was never complete."""
    return me.member in release["etcd"]["initial"] and not is_founded()


def _found(release: Mapping[str, Any]) -> dict[str, str]:
    return _start("new", release["etcd"]["initial"])


def _join(release: Mapping[str, Any], me: Host, turns: Turns) -> dict[str, str]:
    """Become a member of the cluster that is there, in the place of one of the same name whose data is gone."""
    _remove_containers(me)
    client = etcd.connect(release, me.role)
    try:
        with turns.hold(JOIN):
            for member in client.members():
                if me.member == member.name or etcd.peer_url(me.member) == member.peer:
                    print(f"{me.member}: its data is gone, so it becomes a member anew", flush=True)
                    client.remove(member)
            client.add_learner(etcd.peer_url(me.member))
    except Changing as error:
        raise Waiting(f"etcd, whose members are changing: {error}") from error
    except Silent as error:
        if error.heard:
            raise Waiting(f"etcd, which has no majority: {error}") from error
        raise NodeError(
            "etcd's data is not on its disk, and no other member answers. Put the disk back, or restore a snapshot"
            f" with `anywhere etcd restore`. ({error})"
        ) from error
    return _start("existing", [member.name or me.member for member in client.members()])


def _remove_containers(me: Host) -> None:
    """Remove what ran this member before: what takes its place would have to serve, and a learner serves nobody."""
    for name in (me.member, replacement.previous(me.member)):
        Docker().remove(name)


def _start(state: str, members: list[str]) -> dict[str, str]:
    cluster = ",".join(f"{member}={etcd.peer_url(member)}" for member in members)
    return {"INITIAL_CLUSTER": cluster, "CLUSTER_STATE": state}


def _members(client: Etcd) -> tuple[Member, ...]:
    """The members; none where there is no majority yet."""
    try:
        return client.members()
    except Silent:
        return ()


def _own(client: Etcd, me: Host) -> Member | None:
    return next((member for member in _members(client) if member.name == me.member), None)


def _promoted(client: Etcd, member: Member) -> bool:
    """Try to have a learner vote; whether it does. It has to catch up first."""
    try:
        client.promote(member)
    except Changing:
        return False
    return True
