"""The keys of `cluster.lock.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from generator.decode import Strict, wrong
from generator.schema import fields

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S+$")]


def _apart(blocks: dict[str, int]) -> dict[str, int]:
    owners: dict[int, str] = {}
    for pool, block in blocks.items():
        if owners.setdefault(block, pool) != pool:
            raise wrong(f"the pools {owners[block]} and {pool} have the same block {block}", "give each its own")
    return blocks


class ImageEntry(Strict):
    ref: Text
    id: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    archive: Hex
    size: int = Field(ge=0)
    source: Text
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""


class BaseEntry(Strict):
    source: Text
    sha256: Hex


class PackagesEntry(Strict):
    sha256: Hex
    size: int = Field(ge=0)


class UpdateEntry(Strict):
    version: Text
    sha256: Hex


class UpdatesEntry(PackagesEntry):
    packages: dict[Text, UpdateEntry]


class PublicSecretsEntry(Strict):
    authorities: dict[Text, Hex]
    documents: dict[Text, Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]]
    generation: int = Field(default=0, ge=0)


class SecretsEntry(Strict):
    store: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    targets: dict[Text, PublicSecretsEntry]


class PreviousEntry(Strict):
    kubernetes: fields.Version
    images: dict[fields.Arch, dict[str, ImageEntry]]


class LockFile(Strict):
    apiVersion: Literal["anywhere/v1"]  # noqa: N815 (the key in the file)
    kind: Literal["Lock"]
    kubernetes: fields.AnyVersion  # a cluster that has one which has ended must still be read, to be upgraded
    driver: fields.Driver
    images: dict[fields.Arch, dict[str, ImageEntry]]
    packages: dict[fields.Arch, PackagesEntry] = {}
    updates: dict[fields.Arch, UpdatesEntry] = {}
    base: BaseEntry | None = None
    blocks: Annotated[dict[fields.PoolName, Annotated[int, Field(ge=0)]], AfterValidator(_apart)]
    founders: dict[Text, list[Annotated[str, Field(pattern=r"^(etcd|master)[1-9][0-9]?$")]]] = {}
    previous: PreviousEntry | None = None
    facts: dict[str, dict[str, Any]] = {}
    secrets: SecretsEntry | None = None

    @model_validator(mode="before")
    @classmethod
    def _founders_by_target(cls, value: Any) -> Any:
        """Locks of earlier versions have one list for all targets."""
        if isinstance(value, dict) and isinstance(founders := value.get("founders"), list):
            return {**value, "founders": dict.fromkeys(value.get("facts") or (), founders)}
        return value
