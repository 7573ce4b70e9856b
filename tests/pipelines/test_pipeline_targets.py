"""plan.sh with the command line as it is, on every target; clouds are served here, and nobody has the key."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from generator import lock, schema, topology
from generator.lock import Packages
from tests import clouds, golden
from tests.pipelines import STEPS

pytest_plugins = ["tests.offline.fixtures"]
ROOT = Path(__file__).parents[2]


def define(folder, target):
    """star-wars, with a lock that lacks nothing."""
    document = YAML().load((golden.EXAMPLES / "star-wars" / "cluster.yaml").read_text())
    document["providers"] = {target: clouds.SECTIONS.get(target, {})}
    with (folder / "cluster.yaml").open("w") as file:
        YAML().dump(document, file)
    known, facts = golden.load("star-wars")[1], {target: clouds.FACTS.get(target, {})}
    blocks = topology.blocks(schema.load(folder / "cluster.yaml"), known.blocks)
    packages = {"amd64": Packages("a" * 64, 1)} if target in clouds.FACTS else known.packages
    complete = replace(known, driver="weave", blocks=blocks, facts=facts, packages=packages)
    lock.write(folder / "cluster.lock.yaml", complete)


@pytest.fixture
def repository(tmp_path):
    """Runs a program at the top of a repository, in the environment of a pipeline."""
    folder, programs = tmp_path / "repository", tmp_path / "bin"
    shutil.copytree(STEPS, folder / "steps")
    programs.mkdir()
    (programs / "anywhere").write_text(f'#!/bin/sh\nexec {sys.executable} -m generator.cli "$@"\n')
    (programs / "anywhere").chmod(0o755)
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    own |= {"ANYWHERE_CACHE": str(tmp_path / "cache"), "DEFINITION": "cluster.yaml"}

    def run(*command, **environment):
        done = subprocess.run(command, cwd=folder, env=own | environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return folder, run


MACHINES = {"local": "anywhere_machine", "aws": "aws_instance", "gce": "google_compute_instance"}


@pytest.mark.parametrize(("target", "machine"), MACHINES.items())
def test_a_plan_is_saved_and_shown(target, machine, repository, request):
    folder, run = repository
    define(folder, target)
    served = {} if target == "local" else dict(request.getfixturevalue("offline_env"))
    environment = served | {"ANYWHERE_PROVIDER": target}
    status, said = run("anywhere", "secrets", "update", **environment)
    assert status == 0, said
    shutil.rmtree(folder.parent / ".config")  # whoever plans has no key
    status, said = run("steps/plan.sh", **environment)
    assert status == 2, said
    comment = (folder / "plan" / "comment.md").read_text()
    assert f"### Plan for cluster star-wars on {target}" in comment and "\nSaved plan: sha256:" in comment
    assert f"| etcd1, etcd2, etcd3 | `{machine}.machine` |" in comment
    assert (folder / "plan" / "saved.plan").stat().st_size > 1000
