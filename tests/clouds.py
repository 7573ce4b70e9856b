"""Clusters rendered for clouds, with a lock that holds what a cloud would have said, and applied to a stand-in."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import providers
from generator import render, rendered_folder, schema, topology
from generator.terraform_binary import find
from tests import golden

TERRAFORM = str(find(os.environ).path)
MODULES = golden.HERE.parent.parent / "modules"

# What the lock holds of each target.
FACTS: dict[str, dict[str, Any]] = {
    "aws": {
        "account": "123456789012",
        "region": "eu-west-1",
        "zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "images": {"amd64": "ami-0123456789abcdef0", "arm64": "ami-0123456789abcdef1"},
    },
    "gce": {
        "project": "galaxy-1138",
        "project_number": "123456789012",
        "region": "europe-west1",
        "zones": ["europe-west1-b", "europe-west1-c", "europe-west1-d"],
        "images": {
            "amd64": "projects/debian-cloud/global/images/debian-13-trixie-v20251111",
            "arm64": "projects/debian-cloud/global/images/debian-13-trixie-arm64-v20251111",
        },
    },
}
# The least that `providers` must say of each.
SECTIONS: dict[str, dict[str, Any]] = {
    "aws": {"region": "eu-west-1", "admin_cidrs": ["203.0.113.0/24"]},
    "gce": {"project": "galaxy-1138", "region": "europe-west1", "admin_cidrs": ["203.0.113.0/24"]},
}


def write(
    folder: Path,
    target: str,
    case: str,
    spec: Mapping[str, Any] = {},
    section: Mapping[str, Any] = {},
    facts: Mapping[str, Any] = {},
    name: str = "",
) -> Path:
    """The golden case, its spec and the target's section and facts changed by key, rendered to `folder`."""
    from ruamel.yaml import YAML

    yaml = YAML()
    document = yaml.load((golden.EXAMPLES / golden.CASES[case] / "cluster.yaml").read_text())
    document["spec"] |= spec
    document["metadata"]["name"] = name or document["metadata"]["name"]
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
    rendered = render.Target(target, settings, provider.base_images(lock), etcd_disk=provider.etcd_disk)
    rendered_folder.write(render.tree(definition, lock, machines, rendered, golden.secrets(machines)), folder)
    return folder


class Cluster:
    """A rendered folder, and what Terraform made of it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment

    def terraform(self, *arguments: str, fails: bool = False) -> str:
        command = [TERRAFORM, f"-chdir={self.folder}", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def show(self, *plan: str) -> dict[str, Any]:
        return json.loads(self.terraform("show", "-json", *plan))

    def changes(self) -> dict[str, list[str]]:
        """What a plan would do now: address -> actions."""
        self.terraform("plan", "-out=changes.tfplan")
        found = self.show("changes.tfplan")["resource_changes"]
        return {
            c["address"]: c["change"]["actions"] for c in found if c["change"]["actions"] not in (["no-op"], ["read"])
        }


class Applied(Cluster):
    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment)
        self.terraform("init")
        self.terraform("apply", "-auto-approve")
        self.values = self.show()["values"]

    def configuration(self) -> list[dict[str, Any]]:
        """The resources as they are written, with what each says that it depends on."""
        self.terraform("plan", "-out=configuration.tfplan")
        return self.show("configuration.tfplan")["configuration"]["root_module"]["resources"]

    def all(self, address: str) -> dict[Any, dict[str, Any]]:
        """The resources `type.name`, by their key."""
        resources = self.values["root_module"]["resources"]
        found = [r for r in resources if f"{r['type']}.{r['name']}" == address and r["mode"] == "managed"]
        return {r.get("index"): r["values"] for r in found}

    def one(self, address: str) -> dict[str, Any]:
        (found,) = self.all(address).values()
        return found

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [r["values"] for r in self.values["root_module"]["resources"] if r["type"] == kind]

    def outputs(self) -> dict[str, Any]:
        return {name: output["value"] for name, output in self.values["outputs"].items()}

    def document(self, address: str, key: str) -> dict[str, Any]:
        return json.loads(self.all(address)[key]["policy"])


def environment(stand_ins: Mapping[str, str], cache: Path) -> dict[str, str]:
    """What Terraform is run with: the stand-ins, and a secret of each component."""
    secrets = {name: f"secret-of-{name}" for name in golden.COMPONENTS}
    own = {"TF_VAR_secrets": json.dumps(secrets), "TF_VAR_cache": str(cache), "TF_IN_AUTOMATION": "1"}
    return {**os.environ, **stand_ins, **own}


class Clusters:
    """Clusters on one target, by name; each is rendered and applied when it is first asked for."""

    def __init__(
        self, target: str, cases: Mapping[str, Mapping[str, Any]], folder: Path, environment: dict[str, str]
    ) -> None:
        self._target, self._cases, self._folder, self._environment = target, cases, folder, environment
        self._made: dict[str, Applied] = {}

    def __call__(self, name: str) -> Applied:
        if name not in self._made:
            folder = write(self._folder / name, self._target, **self._cases[name])
            self._made[name] = Applied(folder, self._environment)
        return self._made[name]
