"""Clusters rendered for clouds, as `anywhere render` does it, with a lock that holds what a cloud would have said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import providers
from generator import render, schema, topology
from tests import golden

# What the lock holds of each target.
FACTS: dict[str, dict[str, Any]] = {
    "aws": {
        "account": "123456789012",
        "region": "eu-west-1",
        "zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "images": {"amd64": "ami-0123456789abcdef0", "arm64": "ami-0123456789abcdef1"},
    },
}
# The least that `providers` must say of each.
SECTIONS: dict[str, dict[str, Any]] = {
    "aws": {"region": "eu-west-1", "admin_cidrs": ["203.0.113.0/24"]},
}


def write(
    folder: Path,
    target: str,
    case: str,
    spec: Mapping[str, Any] = {},
    section: Mapping[str, Any] = {},
    facts: Mapping[str, Any] = {},
) -> Path:
    """The golden case, its spec and the target's section and facts changed by key, rendered to `folder`."""
    from ruamel.yaml import YAML

    yaml = YAML()
    document = yaml.load((golden.EXAMPLES / golden.CASES[case] / "cluster.yaml").read_text())
    document["spec"] |= spec
    document["providers"] = {target: SECTIONS[target] | section}
    source = folder.parent / f"{folder.name}.yaml"
    with source.open("w") as file:
        yaml.dump(document, file)
    definition = schema.load(source)
    known = golden.load(case)[1]
    lock = replace(
        known,
        driver=definition.network.driver or known.driver,
        images={arch: known.images.get(arch, known.images["amd64"]) for arch in definition.architectures},
        blocks=topology.blocks(definition, known.blocks),
        facts={target: FACTS[target] | facts},
    )
    provider = providers.load(target)
    machines = topology.lay_out(definition, lock.blocks, provider.subnets(lock))
    settings = provider.settings(definition, lock)
    rendered = render.Target(target, settings, provider.base_images(lock))
    render.write(render.tree(definition, lock, machines, rendered, golden.secrets(machines)), folder)
    return folder
