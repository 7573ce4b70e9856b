"""`cluster.yaml` at the edge: read, checked as a whole, and turned into a frozen Definition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import definition as domain
from generator import source as sources
from generator.errors import InvalidFile, Problem
from generator.schema import authorities
from generator.schema.authorities import NoAuthority

if TYPE_CHECKING:
    from generator.schema.authentication import Authenticator
    from generator.schema.models import Cluster, Registry, Snapshots, Spec


def load(path: Path) -> domain.Definition:
    """The definition in `path`. UserError where it cannot be read, InvalidFile with every problem in it."""
    from generator.decode import attempt
    from generator.schema.models import Cluster

    source = sources.read(path)
    cluster, located = attempt(source, Cluster)
    problems = [problem for _, problem in located]
    problems += _disagreements(source, [keys for keys, _ in located])
    trusted = _Trusted(source, problems)
    definition = _definition(path, cluster, trusted) if cluster else None
    if definition is None or problems:
        raise InvalidFile(source.file, problems)
    return definition


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a definition, for editors."""
    from generator.schema.models import Cluster

    schema = Cluster.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _disagreements(source: sources.Source, bad: list[sources.Keys]) -> list[Problem]:
    """What does not go together in `spec`, leaving out what is founded on a value that is wrong in itself."""
    from generator.schema.checks import findings

    spec, bad = _sound_spec(source, bad)
    whole, around = set(bad), {keys[:end] for keys in bad for end in range(len(keys))}

    def unfounded(keys: sources.Keys) -> bool:
        """Whether the value at `keys` is bad, or in a bad one, or has a bad one in it."""
        return keys in around or any(keys[:end] in whole for end in range(len(keys) + 1))

    return [
        source.problem(_in_file(source, finding.paths[0]), finding.message, finding.hint)
        for finding in (findings(spec, _taken(source)) if spec else ())
        if not any(unfounded(_in_file(source, path)) for path in finding.paths)
    ]


def _taken(source: sources.Source) -> dict[str, str]:
    """The ranges that only some targets use, of those that the definition is for: local machines unless it says."""
    named = source.value.get("providers")
    local = not isinstance(named, dict) or "local" in named or not any(named.values())
    return {str(domain.LOCAL_OUTSIDE): "QEMU's user network on local machines"} if local else {}


def _sound_spec(source: sources.Source, bad: list[sources.Keys]) -> tuple[Spec | None, list[sources.Keys]]:
    """`spec` without what is at `bad` and what cannot be without that, and all that was left out."""
    from generator.decode import attempt
    from generator.schema.models import Spec

    spec, tries = None, 3  # a wrong value, the pool it was in, the pools
    while spec is None and ("spec",) not in bad and isinstance(source.value.get("spec"), dict) and tries:
        value = _without(source.value["spec"], [keys[1:] for keys in bad if keys[:1] == ("spec",)])
        spec, located = attempt(replace(source, value=value, problems=()), Spec)
        bad = bad + [("spec", *keys[:-1]) for keys, _ in located]
        tries -= 1
    return spec, bad


def _in_file(source: sources.Source, keys: sources.Keys) -> sources.Keys:
    """A single pool is no list in the file: `spec.workers[0].count` is `spec.workers.count` there."""
    if keys[:3] == ("spec", "workers", 0) and isinstance(source.value["spec"]["workers"], dict):
        return (*keys[:2], *keys[3:])
    return keys


def _without(value: Any, bad: list[sources.Keys]) -> Any:
    """`value` without what is at `bad`; a list loses all its items, since they could not keep their places."""
    if not bad:
        return value
    inner: dict[str | int, list[sources.Keys]] = {}
    for step, *rest in bad:
        inner.setdefault(step, []).append(tuple(rest))
    if isinstance(value, list):
        whole = any(() in keys for keys in inner.values())
        return [] if whole else [_without(child, inner.get(index, [])) for index, child in enumerate(value)]
    if isinstance(value, dict):
        kept = {key: child for key, child in value.items() if () not in inner.get(key, [])}
        return {key: _without(child, inner.get(key, [])) for key, child in kept.items()}
    return value


@dataclass(frozen=True, slots=True)
class _Trusted:
    """The certificates that a file names, in it or beside it; those that cannot be read are added to `problems`."""

    source: sources.Source
    problems: list[Problem]

    def read(self, said: str | None, *keys: str | int) -> str:
        """What is `said` at `keys`, as PEM; "" for nothing."""
        try:
            return authorities.read(said, Path(self.source.file).parent) if said else ""
        except NoAuthority as error:
            self.problems.append(self.source.problem(keys, error.message, error.hint))
            return ""


def _registry(said: Registry, trusted: _Trusted) -> domain.Registry:
    return domain.Registry(said.mirror, trusted.read(said.ca, "spec", "registry", "ca"), said.login)


def _authenticator(said: Authenticator, trusted: _Trusted, index: int) -> dict[str, Any]:
    """As Kubernetes reads it: what is left out is not there."""
    made: dict[str, Any] = said.model_dump(mode="json", exclude_defaults=True)
    at = ("spec", "access", "authentication", index, "issuer", "certificateAuthority")
    if authority := trusted.read(said.issuer.certificateAuthority, *at):
        made["issuer"]["certificateAuthority"] = authority
    return made


def _definition(path: Path, cluster: Cluster, trusted: _Trusted) -> domain.Definition:
    from generator.schema import own_addons
    from generator.schema.fields import seconds

    spec = cluster.spec
    network, proxy = spec.network, spec.proxy
    return domain.Definition(
        path=path,
        name=cluster.metadata.name,
        kubernetes=spec.kubernetes.version,
        etcd=domain.Etcd(spec.etcd.count, spec.etcd.size, spec.etcd.arch, _snapshots(spec.etcd.snapshots)),
        masters=domain.Masters(**dict(spec.masters)),
        workers=tuple(domain.Pool(**dict(pool)) for pool in spec.workers),
        network=domain.Network(**dict(network)),
        registry=_registry(spec.registry, trusted) if spec.registry else None,
        proxy=domain.Proxy(proxy.http or "", proxy.https or "", tuple(dict.fromkeys(proxy.no_proxy)))
        if proxy
        else None,
        addons=own_addons.names(spec.addons),
        ssh_keys=tuple(dict.fromkeys(spec.access.ssh_keys)),
        api_names=tuple(dict.fromkeys(spec.access.api_names)),
        authentication=tuple(
            _authenticator(each, trusted, index) for index, each in enumerate(spec.access.authentication)
        ),
        tunings=spec.components.tunings(),
        providers=cluster.providers.sections(),
        age_recipients=tuple(dict.fromkeys(spec.access.age_recipients)),
        rollout=domain.Rollout(int(spec.rollout.wave.rstrip("%")) / 100, seconds(spec.rollout.drain)),
        os=domain.Os(**dict(spec.os)),
        own_addons=own_addons.read(spec.addons, trusted.source, trusted.problems),
    )


def _snapshots(said: Snapshots) -> domain.Snapshots:
    from generator.schema.fields import seconds

    return domain.Snapshots(seconds(said.every), said.keep)
