"""The command line on a definition in a folder of its own, towards a cloud that is not there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from generator import cli, lock, schema, store, topology
from generator.lock import Packages
from generator.operations import artifacts
from generator.store import Secrets
from tests import clouds, golden


class Session:
    """A definition in a folder of its own, and the command line beside it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], target: str) -> None:
        self.definition, self.folder, self.target = folder / "cluster.yaml", folder / "rendered", target
        self.said = b""
        self.brought: list[bool] = []  # once for each time that images were to be had
        self._capfd = capfd

    def run(self, *words: str) -> int:
        status = cli.run([*words, str(self.definition), "--provider", self.target, "--out", str(self.folder)])
        captured = self._capfd.readouterr()
        self.said += (captured.out + captured.err).encode()
        return status

    def secrets(self) -> Secrets:
        return store.read(self.definition, "star-wars").targets[self.target]

    def define(self, **section: Any) -> None:
        """Write star-wars with a lock that needs nobody."""
        document = YAML().load((golden.EXAMPLES / "star-wars" / "cluster.yaml").read_text())
        document["providers"] = {self.target: {**clouds.SECTIONS[self.target], **section}}
        with self.definition.open("w") as file:
            YAML().dump(document, file)
        known = golden.load("star-wars")[1]
        blocks = topology.blocks(schema.load(self.definition), known.blocks)
        facts, packages = {self.target: clouds.FACTS[self.target]}, {"amd64": Packages("a" * 64, 1)}
        complete = replace(known, driver="weave", blocks=blocks, facts=facts, packages=packages)
        lock.write(lock.path_beside(self.definition), complete)


def make(folder: Path, target: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Session:
    """star-wars with a lock that needs nobody, and images that nobody has to bring."""
    for name in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    monkeypatch.setenv("ANYWHERE_CACHE", str(folder / "cache"))
    monkeypatch.delenv("ANYWHERE_AGE_KEY", raising=False)
    made = Session(folder, capfd, target)
    monkeypatch.setattr(artifacts, "fetch", lambda *_: made.brought.append(True))
    made.define()
    return made


def use(target: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Point this process at the stand-ins; their machine images are not those of the lock."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(f"providers.{target}.preflight.checks", lambda *_: ())
