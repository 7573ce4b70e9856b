"""The pages that are made from the source say what the source says."""

import re
import subprocess
from pathlib import Path

from generator.cli.schema import page
from generator.schema.changes import CHANGES
from generator.schema.lockfile import LockFile, PublicSecretsEntry, SecretsEntry
from generator.schema.reference import fields
from tests.clouds import FACTS

ROOT = Path(__file__).parent.parent
SOURCES = ("generator", "providers", "modules", "setup", "Makefile", "benchmarks")
PLACES = ("spread", "pool_zones", "subnets")  # what the lock has of a cloud beside, where it is needed
VARIABLE = re.compile(r"\bANYWHERE_[A-Z_]*[A-Z]\b")


def test_the_committed_page_of_the_definition_is_current():
    assert (ROOT / "docs" / "definition.md").read_text() == page() + "\n", "run: anywhere schema --markdown"


def test_every_field_is_described_and_says_what_a_change_of_it_does():
    found = {path: field for path, field, _ in fields()}
    assert found.keys() == {path for path in CHANGES if not path.startswith("lock.")}
    assert [path for path, field in found.items() if not field.get("description")] == []


def test_every_field_of_the_lock_says_what_a_change_of_it_does():
    facts = {f"facts.{target}.{name}" for target, known in FACTS.items() for name in (*known, *PLACES)}
    secrets = {"secrets.store", "secrets.targets[].authorities[]", "secrets.targets[].documents"}
    secrets.add("secrets.targets[].generation")
    assert [*SecretsEntry.model_fields] == ["store", "targets"]
    assert [*PublicSecretsEntry.model_fields] == ["authorities", "documents", "generation"]
    wanted = {name for name in LockFile.model_fields if name not in ("apiVersion", "kind", "facts", "secrets")}
    wanted |= facts | secrets
    assert {path.removeprefix("lock.") for path in CHANGES if path.startswith("lock.")} == wanted


def variables(folder: Path, names: tuple[str, ...]) -> set[str]:
    files = subprocess.run(["git", "ls-files", *names], cwd=folder, capture_output=True, text=True, check=True)
    texts = ((folder / name).read_bytes().decode(errors="replace") for name in files.stdout.splitlines())
    return {name for text in texts for name in VARIABLE.findall(text)}


def test_every_variable_that_the_source_reads_or_sets_is_documented():
    documented = set(re.findall(r"^\| `(ANYWHERE_[A-Z_]+)`", (ROOT / "docs" / "environment.md").read_text(), re.M))
    assert documented == variables(ROOT, SOURCES)
