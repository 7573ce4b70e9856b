"""The secrets of a cluster on a target: looked up, made or renewed in memory, kept, and handed to Terraform."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from secrets import token_hex

import providers
from generator import addon_catalog, agekey, pki, recipients, registry_login, status, store
from generator.errors import UserError
from generator.lock import Lock, PublicSecrets, StoreRecord
from generator.operations import lock_file, store_guard
from generator.operations.project import Project
from generator.pki import Renewal
from generator.pki import rotation as rotations
from generator.progress import Progress
from generator.registry_login import Login
from generator.status import Expiry
from generator.store import Rotation, Secrets, Store

Change = Callable[[Secrets], Secrets]  # what a rotation makes of the secrets

# The version of a document that is to be made: nobody knows it before. A provider may take 0 for "not given".
UNMADE = "f" * 12


@dataclass(frozen=True, slots=True)
class Known:
    """What rendering needs of the secrets: component -> version, which is UNMADE where apply makes that document.

    `documents` is component -> files, {} where the key is not at hand. `new` says that the target has no secrets yet.
    `store` is the id of the store, and `authorities` has the fingerprint of each CA; "" and {} before these are made.
    `generation` is that of the secrets.
    """

    versions: Mapping[str, str]
    documents: Mapping[str, Mapping[str, str]]
    new: bool
    store: str = ""
    authorities: Mapping[str, str] = field(default_factory=dict)
    generation: int = 0

    @property
    def unmade(self) -> tuple[str, ...]:
        """The components whose documents are to be made."""
        return tuple(name for name, version in self.versions.items() if version == UNMADE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Secrets that are complete and fresh, and not kept yet; `before` are those that the store has, None for none."""

    before: Secrets | None
    secrets: Secrets
    known: Known


def unchanged(secrets: Secrets) -> Secrets:
    """The secrets as they are."""
    return secrets


def opened(project: Project, lock: Lock | None) -> Store:
    """The store beside the definition; without any secrets where the cluster is new.

    `lock` is the one on disk. UserError where the store is missing, or is not the one that belongs to the lock.
    """
    store_guard.check_present(project, lock)
    found = store.read(project.definition.path, project.name)
    found = store.inherited(found, _heirs(lock))
    store_guard.check_matches(project, lock, found)
    return found


def look(project: Project, lock: Lock | None, progress: Progress, renewal: Renewal = Renewal.NOTHING) -> Known:
    """As `read`, or, where a key or a login is not at hand, with the versions that `lock`, the one on disk, has."""
    known = recorded = _recorded_in(lock, project.provider.name)
    try:
        login = registry_login.of(project.definition)
    except registry_login.NoLogin as error:
        login = None
        progress.note(f"The login to the registry is the one of the last apply, if any: {error.message}")
    try:
        known = _read(project, lock, renewal, login)
    except agekey.NoKey as error:
        if known is None:
            raise
        progress.note(f"The versions of secrets are the lock's: {error.message}")
    return _with_login(project, known, recorded.versions if recorded else {})


def read(project: Project, lock: Lock | None) -> Known:
    """The secrets as they are; what apply would make is UNMADE. NoKey or NoLogin where they cannot be read."""
    login = registry_login.of(project.definition)
    return _read(project, lock, Renewal.NOTHING, login)


def as_recorded(project: Project, lock: Lock, components: Iterable[str]) -> Known:
    """The secrets of `components` as far as `lock` knows them: no key is needed."""
    known = _recorded_in(lock, project.provider.name) or Known(dict.fromkeys(components, UNMADE), {}, new=False)
    return _with_login(project, known, known.versions)


def _recorded_in(lock: Lock | None, target: str) -> Known | None:
    """The secrets as far as `lock` knows them; None where it knows none of `target`."""
    if lock is None or lock.secrets is None or target not in lock.secrets.targets:
        return None
    public = lock.secrets.targets[target]
    return Known(public.documents, {}, False, lock.secrets.store, public.authorities, public.generation)


def _read(project: Project, lock: Lock | None, renewal: Renewal, login: Login | None) -> Known:
    """What apply would make or renew, of what `renewal` says, is UNMADE."""
    found = opened(project, lock)
    secrets = found.targets.get(project.provider.name)
    # What is made by chance is another one each time.
    first, second = (
        pki.documents(_ensured(project, secrets or Secrets(project.name), renewal), login) for _ in range(2)
    )
    versions = {name: pki.version(d) if d == second[name] else UNMADE for name, d in first.items()}
    made = {name: document for name, document in first.items() if versions[name] != UNMADE}
    authorities, generation = (pki.fingerprints(secrets), secrets.generation) if secrets else ({}, 0)
    return Known(versions, made, secrets is None, _id(found, lock), authorities, generation)


def _with_login(project: Project, known: Known, recorded: Mapping[str, str]) -> Known:
    """`known` with a version of the login where the definition asks for one, as `recorded` where it is not known."""
    versions = {name: v for name, v in known.versions.items() if name not in (pki.LOGIN, pki.RESTORE)}
    registry = project.definition.registry
    if registry and registry.login:
        found = known.versions.get(pki.LOGIN, UNMADE)
        versions = {pki.LOGIN: recorded.get(pki.LOGIN, UNMADE) if found == UNMADE else found, **versions}
    return replace(known, versions=versions)


def prepare(
    project: Project, lock: Lock | None, renewal: Renewal = Renewal.ALL, change: Change = unchanged
) -> Prepared:
    """The secrets after `change`, with what is missing made and what is old renewed; nothing is written.

    UserError where the key at hand may not write them, or the registry's login is lacking.
    """
    login = registry_login.of(project.definition)
    found = opened(project, lock)
    if agekey.is_at_hand():
        _recipients(project)
    else:
        store_guard.check_key_may_be_made(project)
    before = found.targets.get(project.provider.name)
    secrets = _ensured(project, change(before or Secrets(project.name)), renewal)
    documents = pki.documents(secrets, login)
    versions = {name: pki.version(document) for name, document in documents.items()}
    store_id = _id(found, lock) or token_hex(16)
    authorities = pki.fingerprints(secrets)
    known = Known(versions, documents, before is None, store_id, authorities, secrets.generation)
    return Prepared(before, secrets, known)


def is_kept(project: Project, prepared: Prepared) -> bool:
    """Whether the store on disk has exactly these secrets, in today's form and for all of today's recipients."""
    path = store.path_beside(project.definition.path)
    if prepared.before != prepared.secrets or not path.exists():
        return False
    found = store.read(project.definition.path, project.name)
    return found.id == prepared.known.store and set(_recipients(project)) <= set(found.recipients)


def keep(project: Project, prepared: Prepared, progress: Progress) -> None:
    """Write the secrets to the store; those of other targets stay as they are by now.

    Says so where that made an age key. UserError, with nothing written, where this target's changed meanwhile.
    """
    key = agekey.default_path()
    existed = key.exists()
    _write(project, prepared.before, prepared.secrets, prepared.known.store)
    if key.exists() and not existed:
        progress.note(f"warning: {key} was made; it alone opens {store.path_beside(project.definition.path)}.")
        progress.note("warning: Keep a copy of that key in a safe place: without it the cluster's secrets are lost.")


def note(project: Project, before: Secrets, after: Secrets) -> None:
    """Write to the store what changes no document, and so needs no apply. UserError as in `keep`."""
    _write(project, before, after, "")


def _write(project: Project, before: Secrets | None, after: Secrets, store_id: str) -> None:
    target, lock = project.provider.name, lock_file.known(project)

    def change(now: Store) -> Store:
        now = store.inherited(now, _heirs(lock))
        store_guard.check_unchanged(project, before, now.targets.get(target))
        return replace(now, id=now.id or store_id, targets={**now.targets, target: after})

    store.update(project.definition.path, project.name, change, project.definition.age_recipients)


def recrypt(project: Project) -> Store:
    """Encrypt the store to the recipients of today, and nobody else. UserError where there is none."""
    lock = lock_file.known(project)
    store_guard.check_exists(project, lock)
    opened(project, lock)

    def change(now: Store) -> Store:
        return replace(store.inherited(now, _heirs(lock)), id=_id(now, lock) or token_hex(16))

    return store.recrypt(project.definition.path, project.name, change, project.definition.age_recipients)


def recorded(lock: Lock, secrets: Known, target: str) -> Lock:
    """`lock` with the public facts of the secrets of `target`."""
    others = lock.secrets.targets if lock.secrets else {}
    public = PublicSecrets(secrets.authorities, secrets.versions, secrets.generation)
    return replace(lock, secrets=StoreRecord(secrets.store, {**others, target: public}))


def values(documents: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Component -> its secret document as one JSON string, as the Terraform variable `secrets` takes it."""
    return {name: json.dumps(dict(document), sort_keys=True) for name, document in documents.items()}


def expiries(project: Project) -> tuple[Expiry, ...]:
    """When the target's certificates expire, the first one first; () before the first apply, and without the key."""
    return status.expiries(pki.expiries(_kept(project)), datetime.now(UTC))


def rotation(project: Project) -> Rotation | None:
    """The rotation that is under way; None also without the key."""
    return _kept(project).rotation


def remark_on_rotation(project: Project) -> str:
    """How far a rotation is that is under way, and which step is next; "" where there is none, and without the key."""
    under_way = rotation(project)
    return rotations.remark(under_way) if under_way else ""


def remark_on_token(project: Project, *, is_renewed: bool) -> str:
    """That the bootstrap token is old, which no plan shows; "" also without the key. A saved plan does not renew it."""
    if not pki.is_token_old(_kept(project), datetime.now(UTC)):
        return ""
    old = f"The bootstrap token is older than {pki.TOKEN_AGE.days} days"
    if is_renewed:
        return f"{old}: apply replaces it, and kubelets restart in turns. Pods do not."
    return f"{old}, and a saved plan renews none: run `anywhere secrets update`."


def _kept(project: Project) -> Secrets:
    """What the store has of the target; nothing before the first apply, and where it cannot be read.

    Why it cannot is for `store_guard` to say.
    """
    try:
        found = store.read(project.definition.path, project.name)
    except UserError:
        return Secrets(project.name)
    return store.inherited(found, _heirs(lock_file.known(project))).of(project.provider.name)


def remark_on_recipients(project: Project) -> str:
    """That somebody may open the store whom the definition no longer lists; "" where nobody may, or that is unknown."""
    if not project.definition.age_recipients:
        return ""
    try:
        found = store.read(project.definition.path, project.name)
        unlisted = sorted(set(found.recipients) - set(_recipients(project)))
    except UserError:  # without a key, or with one that is not listed, nothing is written either
        return ""
    if not unlisted:
        return ""
    path, others = store.path_beside(project.definition.path), ", ".join(unlisted)
    return (
        f"{path} can still be opened by {others}, which spec.access.age_recipients no longer lists. To end that, run"
        " `anywhere secrets recrypt`."
    )


def _recipients(project: Project) -> tuple[str, ...]:
    """Whom to encrypt to; UserError where the key at hand may not write."""
    own = agekey.public(agekey.load(store.path_beside(project.definition.path)))
    return recipients.wanted(project.definition.age_recipients, own)


def _ensured(project: Project, secrets: Secrets, renewal: Renewal) -> Secrets:
    definition = project.definition
    services = definition.network.services
    serving = addon_catalog.served(definition.addons, services)
    return pki.ensure(secrets, datetime.now(UTC), services, definition.api_names, renewal, serving)


def _id(found: Store, lock: Lock | None) -> str:
    """The store's id: its own, else the one that the lock knows, "" where neither has one."""
    return found.id or (lock.secrets.store if lock and lock.secrets else "")


def _heirs(lock: Lock | None) -> tuple[str, ...]:
    """The targets that keep the keys of a store of the old form: those that may have a running cluster."""
    return tuple(lock.facts) if lock else providers.NAMES
