"""What a definition says of single components: further flags, and the kubelet's configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from generator import definition as domain
from generator.decode import Strict, wrong
from generator.schema import fields
from generator.source import shown

_FLAG = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_VALUE = r"[!#$%&()*+,./0-9:;<=>?@A-Z\[\]^_a-z{|}~-]{1,4096}"  # ASCII, which no shell, log or file reads otherwise
_FIELD = re.compile(r"[a-z][A-Za-z0-9]*")


def _flag(name: str) -> str:
    """A flag's name; with _ for - a component would read it too, but no rule about it would hold."""
    if not _FLAG.fullmatch(name):
        better = name.strip().lstrip("-").partition("=")[0].replace("_", "-").lower()
        hint = f"did you mean {better}?" if _FLAG.fullmatch(better) else "such as max-requests-inflight"
        raise wrong(f"{shown(name)} is not the name of a flag", hint)
    return name


def _flag_value(value: object) -> object:
    """Whole numbers, true and false read the same as text; 1.10 does not."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _kubelet_field(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise wrong(f"{shown(name)} is not a field of KubeletConfiguration", "such as podPidsLimit")
    return name


def _json(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise wrong("has a number that JSON has not", "write a finite number, or text in quotes") from None
    return value


FlagName = Annotated[str, AfterValidator(_flag)]
FlagValue = Annotated[
    str,
    BeforeValidator(_flag_value, json_schema_input_type=str | int | bool),
    AfterValidator(fields.formed(_VALUE, '"800", without blanks, quotes and backslashes')),
]
Flags = Annotated[
    dict[FlagName, FlagValue],
    Field(description="Flags by name, without --; some stay as they are, see below."),
]


class Component(Strict):
    """One of the containers that the cluster itself consists of."""

    flags: Flags = Field(default={}, examples=[{"max-requests-inflight": "800"}])


class Kubelet(Component):
    """The kubelet, of all machines."""

    config: dict[Annotated[str, AfterValidator(_kubelet_field)], Annotated[Any, AfterValidator(_json)]] = Field(
        default={},
        description="Fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1).",
        examples=[{"podPidsLimit": 4096}],
    )


class Components(Strict):
    """Components that are to be other than anywhere has them."""

    etcd: Component = Component()
    apiserver: Component = Field(default=Component(), alias="kube-apiserver")
    controller_manager: Component = Field(default=Component(), alias="kube-controller-manager")
    scheduler: Component = Field(default=Component(), alias="kube-scheduler")
    kubelet: Kubelet = Kubelet()
    proxy: Component = Field(default=Component(), alias="kube-proxy")

    def by_name(self) -> Mapping[str, Component]:
        return {info.alias or name: getattr(self, name) for name, info in type(self).model_fields.items()}

    def tunings(self) -> dict[str, domain.Tuning]:
        """The same, of those that the definition says something of."""
        config = {"kubelet": self.kubelet.config}
        made = {name: domain.Tuning(said.flags, config.get(name, {})) for name, said in self.by_name().items()}
        return {name: tuning for name, tuning in made.items() if tuning != domain.Tuning()}
