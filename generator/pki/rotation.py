"""A rotation, phase by phase: trust the old and the new, issue from the new, drop the old. Pure but for chance.

What is rotated, its subject, is called as the option of `anywhere pki rotate`: `ca etcd` is `--ca etcd`. What a phase
leaves out, `ensure` makes: it follows each of these functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from generator.errors import UserError
from generator.pki import certificate, encryption
from generator.store import Pair, Phase, Rotation, Secrets

LEAVES, SERVICE_ACCOUNT, ENCRYPTION, WEAVE, TOKEN = (
    *("leaves", "service-account", "encryption", "weave", "bootstrap-token"),
)
_CA = "ca "
KUBERNETES = f"{_CA}kubernetes"
_TITLES = {
    LEAVES: "the certificates of all components",
    SERVICE_ACCOUNT: "the key of service accounts",
    ENCRYPTION: "the key that Secrets are encrypted with",
    WEAVE: "the password of Weave",
    TOKEN: "the bootstrap token",
}
_DOES = {
    Phase.TRUST: "trust the new one beside the old one",
    Phase.ISSUE: "use the new one, and still trust the old one",
    Phase.DROP: "drop the old one",
}
_MAKES = {
    LEAVES: "make new ones",
    WEAVE: "make a new one; machines do not reach each other until all of them have it",
}


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a phase waits once every machine has the phase before it, and why: what is still to be done by then."""

    wait: timedelta
    why: str


# Tokens of pods live for an hour, and kubelets renew them before that; the rest is for programs that read them late.
_HOLDS: Mapping[tuple[str, Phase], Hold] = {
    (KUBERNETES, Phase.ISSUE): Hold(
        timedelta(minutes=5),
        "Pods that were started before now do not trust the new authority. Once kubelets have handed it out, restart"
        " those that speak to the API: kubectl rollout restart deployment,daemonset,statefulset --namespace NAMESPACE."
        " The add-ons of anywhere are restarted already.",
    ),
    (KUBERNETES, Phase.DROP): Hold(
        timedelta(hours=24),  # as long as a person's kubeconfig may live
        "Kubeconfigs of people that the old authority signed, and those that know it alone, end with this step.",
    ),
    (SERVICE_ACCOUNT, Phase.DROP): Hold(
        timedelta(minutes=75), "Until then pods have tokens that the old key signed; kubelets renew them by themselves."
    ),
}


def of_authority(name: str) -> str:
    """The subject that is the authority `name`."""
    return _CA + name


def check(subject: str, authorities: Sequence[str]) -> None:
    """UserError where the subject is an authority that is not among these."""
    name = subject.removeprefix(_CA)
    if subject.startswith(_CA) and name not in authorities:
        raise UserError(f"There is no certificate authority {name!r}.", f"Use one of: {', '.join(authorities)}.")


def title(subject: str) -> str:
    """What is rotated, in words."""
    return _TITLES.get(subject) or f"the {subject.removeprefix(_CA)} CA"


def phases(subject: str) -> tuple[Phase, ...]:
    """The phases of a rotation, in order. Where nothing has to overlap, or nothing can, there is only one."""
    return (Phase.ISSUE,) if subject in (LEAVES, WEAVE, TOKEN) else (Phase.TRUST, Phase.ISSUE, Phase.DROP)


def describe(subject: str, phase: Phase) -> str:
    """The phase as `step 2 of 3: ...`."""
    every = phases(subject)
    does = _DOES[phase] if len(every) > 1 else _MAKES.get(subject, "make a new one")
    return f"step {every.index(phase) + 1} of {len(every)}: {does}"


def remark(under_way: Rotation) -> str:
    """How far a rotation is, and which step is next, with the command for it."""
    following, holds = following_phase(under_way), held(under_way)
    done = under_way.rolled_out if following else None
    reached = f"on every machine since {done:%Y-%m-%d %H:%M} UTC" if done else "begun"
    next_step = f"Next is {describe(under_way.subject, following)}" if done and following else "Go on with it"
    when = f", from {holds[0]:%Y-%m-%d %H:%M} UTC on" if done and holds else ""
    return (
        f"The rotation of {title(under_way.subject)} is at {describe(under_way.subject, under_way.phase)} ({reached})."
        f" {next_step}{when}: `anywhere pki rotate --{under_way.subject}`."
    )


def begin(secrets: Secrets, subject: str, now: datetime) -> Secrets:
    """The secrets in the first phase of a rotation; none may be under way."""
    if secrets.rotation:
        raise ValueError("one rotation at a time")
    return _enter(secrets, Rotation(subject, phases(subject)[0]), now)


def advance(secrets: Secrets, now: datetime) -> Secrets:
    """The secrets in the next phase of their rotation; without one after the last."""
    rotation = _under_way(secrets)
    following = following_phase(rotation)
    if following is None:
        return replace(secrets, rotation=None)
    return _enter(secrets, replace(rotation, phase=following, rolled_out=None), now)


def following_phase(rotation: Rotation) -> Phase | None:
    """The phase after the one that a rotation is in; None after the last."""
    every = phases(rotation.subject)
    return next(iter(every[every.index(rotation.phase) + 1 :]), None)


def rolled_out(secrets: Secrets, now: datetime) -> Secrets:
    """The secrets once every machine has the phase."""
    rotation = replace(_under_way(secrets), rolled_out=now.replace(microsecond=0))
    return replace(secrets, rotation=rotation)


def held(rotation: Rotation) -> tuple[datetime, str] | None:
    """Until when the next phase should wait, and why; None where nothing waits for it."""
    following = following_phase(rotation)
    hold = _HOLDS.get((rotation.subject, following)) if following else None
    return (rotation.rolled_out + hold.wait, hold.why) if hold and rotation.rolled_out else None


def trusted(secrets: Secrets, name: str) -> tuple[Pair, ...]:
    """What vouches for the certificates of an authority: the old one first, so that issuing changes no trust."""
    pair, rotation = secrets.authorities[name], secrets.rotation
    if rotation is None or rotation.subject != _CA + name or rotation.pair is None:
        return (pair,)
    return (pair, rotation.pair) if rotation.phase is Phase.TRUST else (rotation.pair, pair)


def keys(secrets: Secrets, name: str) -> tuple[str, ...]:
    """The key that is used, and after it the one that only has to be known."""
    rotation = secrets.rotation
    known = rotation.key if rotation and rotation.subject == name else ""
    return (secrets.keys[name], known) if known else (secrets.keys[name],)


def _under_way(secrets: Secrets) -> Rotation:
    if secrets.rotation is None:
        raise ValueError("there is no rotation")
    return secrets.rotation


def _enter(secrets: Secrets, rotation: Rotation, now: datetime) -> Secrets:
    """The secrets with what the phase of `rotation` changes."""
    secrets = replace(secrets, generation=secrets.generation + 1)
    if rotation.phase is Phase.TRUST:
        return replace(secrets, rotation=_with_new(secrets, rotation, now))
    if rotation.phase is Phase.DROP:
        encrypted = now.replace(microsecond=0) if rotation.subject == ENCRYPTION else secrets.encrypted
        return replace(secrets, encrypted=encrypted, rotation=replace(rotation, pair=None, key=""))
    if rotation.pair:
        return _swap_authorities(secrets, rotation, rotation.pair)
    if rotation.key:
        before = {**secrets.keys, rotation.subject: rotation.key}
        return replace(secrets, keys=before, rotation=replace(rotation, key=secrets.keys[rotation.subject]))
    return _without(secrets, rotation)


def _with_new(secrets: Secrets, rotation: Rotation, now: datetime) -> Rotation:
    if rotation.subject == SERVICE_ACCOUNT:
        return replace(rotation, key=certificate.make_key())
    if rotation.subject == ENCRYPTION:
        return replace(rotation, key=encryption.make_after(secrets.keys[ENCRYPTION]))
    return replace(rotation, pair=certificate.authority(rotation.subject.removeprefix(_CA), secrets.cluster, now))


def _swap_authorities(secrets: Secrets, rotation: Rotation, new: Pair) -> Secrets:
    """`new` signs from now on. The old one signs nothing any more, so its key goes."""
    name = rotation.subject.removeprefix(_CA)
    old = Pair(secrets.authorities[name].crt, "")
    return replace(secrets, authorities={**secrets.authorities, name: new}, rotation=replace(rotation, pair=old))


def _without(secrets: Secrets, rotation: Rotation) -> Secrets:
    """Without what has no overlap: it is made anew. The id of a bootstrap token is kept, by which the API knows it."""
    if rotation.subject == LEAVES:
        return replace(secrets, leaves={}, rotation=rotation)
    if rotation.subject == TOKEN:
        old = secrets.token.id if secrets.token else ""
        return replace(secrets, token=None, rotation=replace(rotation, key=old))
    others = {name: key for name, key in secrets.keys.items() if name != rotation.subject}
    return replace(secrets, keys=others, rotation=rotation)
