"""The command line on a definition in a folder of its own, towards an AWS that is not there: fixtures for tests."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from generator import cli, lock, schema, store, topology
from generator.cli import steps
from generator.lock import Packages
from generator.store import Secrets
from tests import clouds, golden

pytest_plugins = ["tests.offline.fixtures"]


class Session:
    """A definition in a folder of its own, and the command line beside it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.definition, self.folder, self._capfd = folder / "cluster.yaml", folder / "rendered", capfd
        self.said = b""
        self.brought: list[bool] = []  # once for each time that images were to be had

    def run(self, *words: str) -> int:
        status = cli.run([*words, str(self.definition), "--provider", "aws", "--out", str(self.folder)])
        captured = self._capfd.readouterr()
        self.said += (captured.out + captured.err).encode()
        return status

    def secrets(self) -> Secrets:
        return store.read(self.definition, "star-wars")

    def define(self, **section: Any) -> None:
        """Write star-wars with a lock that needs nobody."""
        document = YAML().load((golden.EXAMPLES / "star-wars" / "cluster.yaml").read_text())
        document["providers"] = {"aws": {**clouds.SECTIONS["aws"], **section}}
        with self.definition.open("w") as file:
            YAML().dump(document, file)
        known = golden.load("star-wars")[1]
        blocks = topology.blocks(schema.load(self.definition), known.blocks)
        facts, packages = {"aws": clouds.FACTS["aws"]}, {"amd64": Packages("a" * 64, 1)}
        complete = replace(known, driver="weave", blocks=blocks, facts=facts, packages=packages)
        lock.write(lock.path_beside(self.definition), complete)


@pytest.fixture
def session(tmp_path, monkeypatch, capfd):
    """star-wars with a lock that needs nobody, and images that nobody has to bring."""
    for name in ("CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANYWHERE_AGE_KEY", raising=False)
    made = Session(tmp_path, capfd)
    monkeypatch.setattr(steps, "get_images", lambda *_: made.brought.append(True))
    made.define()
    return made


@pytest.fixture
def amazon(monkeypatch):
    """Point this process at the stand-ins; their machine images are not those of the lock."""

    def use(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("providers.aws.preflight.checks", lambda *_: ())

    return use
