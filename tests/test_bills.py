"""What docs/aws.md and docs/gce.md say is billed for each example, against what is made."""

from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from generator import schema
from generator.definition import ETCD_DISK, SIZES
from providers import locked
from providers.gce import disks

ROOT = Path(__file__).parent.parent
EXAMPLES = ("quickstart", "star-wars", "ha")
ETCD_DISKS = {"aws": ETCD_DISK, "gce": disks.ETCD}


def load(example, target):
    """An example on a cloud; those that are for local machines alone get the section of star-wars."""
    found, lent = (schema.load(ROOT / "examples" / name / "cluster.yaml") for name in (example, "star-wars"))
    if getattr(found.providers, target):
        return found
    section = replace(getattr(lent.providers, target), load_balancer=None)
    return replace(found, providers=replace(found.providers, **{target: section}))


def billed(example, target):
    """The row of the page."""
    definition = load(example, target)
    groups = import_module(f"providers.{target}.sizes").groups(definition)
    section = import_module(f"providers.{target}.section").of(definition)
    machines = Counter()
    for group in groups:
        machines[group.type] += group.count
    keepers = definition.etcd.count or definition.masters.count
    gib = sum(group.count * SIZES[group.size].disk for group in groups) + keepers * ETCD_DISKS[target]
    cpus = sum(group.count * SIZES[group.size].cpus for group in groups)
    balancers = int(locked.balanced(definition, section))
    said = ", ".join(f"{count} x `{kind}`" for kind, count in machines.items())
    return f"| {example} | {said} | {cpus} | {gib} GiB | 1 | {balancers} |"


@pytest.mark.parametrize("target", ["aws", "gce"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_page_has_what_is_made(example, target):
    assert billed(example, target) in (ROOT / "docs" / f"{target}.md").read_text()
