"""The same cluster anywhere: what is rendered for local, aws and gce, side by side."""

import json
import re
from dataclasses import astuple
from pathlib import Path

import pytest

import providers
from generator import render, rendered_folder
from tests import clouds, golden

TARGETS = ("local", "aws", "gce")
MODULES = Path(__file__).parent.parent / "modules"
CASES = ("star-wars", "ha", "quickstart")
# What has no like on local machines: rights of a cloud's own identities, and who used them.
CLOUDS_ONLY = {"identities.tf", "logs.tf"}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Case -> target -> the rendered files, by name."""
    found = {}
    for case in CASES:
        definition, lock, machines = golden.load(case)
        local = render.tree(definition, lock, machines, golden.target(definition), golden.secrets(machines))
        found[case] = {"local": {name: data.decode("latin-1") for name, data in local.items()}}
        for target in ("aws", "gce"):
            folder = clouds.write(tmp_path_factory.mktemp(target) / case, target, case)
            files = [path for path in folder.rglob("*") if path.is_file() and path.name != rendered_folder.MANIFEST]
            found[case][target] = {str(p.relative_to(folder)): p.read_text("latin-1") for p in files}
    return found


def blocks(files, kind):
    """The names of all blocks `kind "NAME"`."""
    texts = [text for name, text in files.items() if name.endswith(".tf")]
    return {name for text in texts for name in re.findall(rf'^{kind} "(\w+)"', text, re.MULTILINE)}


def values(files):
    return json.loads(files["terraform.tfvars.json"])


@pytest.mark.parametrize("kind", ["variable", "output"])
def test_modules_have_the_same_variables_and_outputs(trees, kind):
    local, aws, gce = (blocks(trees["ha"][target], kind) for target in TARGETS)
    assert local == aws == gce and len(local) >= 3


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_applied_is_recorded_once_etcd_has_disks(target):
    """Before that there is nothing to lose, so a first apply that failed may be changed in any way."""
    text = (MODULES / target / "outputs.tf").read_text().partition('output "applied"')[2]
    disks = providers.load(target).addresses.etcd_disk
    assert f'alltrue([for disk in {disks} : disk.id != ""]) ? file("${{path.module}}/applied.json") : ""' in text


def test_modules_have_the_same_files(trees):
    local, aws, gce = ({n for n in trees["ha"][t] if n.endswith(".tf")} for t in TARGETS)
    assert aws == gce == local | CLOUDS_ONLY


@pytest.mark.parametrize("case", CASES)
def test_documents_are_the_same_bytes(trees, case):
    """The release and the node archive: everything that machines become."""
    local, aws, gce = ({n: d for n, d in trees[case][t].items() if n.startswith("documents/")} for t in TARGETS)
    assert local == aws == gce
    assert "documents/release.json" in local and len(local) == 2


@pytest.mark.parametrize("case", CASES)
def test_user_data_differs_by_what_the_target_itself_gives(trees, case):
    def common(target, text):
        for name in ("anywhere-target", "anywhere-fetch", "metadata"):
            part = (MODULES / target / name).read_text().rstrip()
            inside = part.replace("\n", "\n      ").replace("\n      \n", "\n\n")
            assert inside in text, name
            text = text.replace(inside, f"<{name}>")
        return text

    local, aws, gce = (
        {n: common(t, text) for n, text in trees[case][t].items() if n.startswith("user-data/")} for t in TARGETS
    )
    assert local == aws == gce and local


@pytest.mark.parametrize("case", CASES)
def test_terraform_is_told_the_same_but_for_the_targets_own(trees, case):
    """Names, addresses, roles and groups are the same everywhere."""
    own = ("settings", "base_images", "etcd_disk")
    local, aws, gce = ({k: v for k, v in values(trees[case][t]).items() if k not in own} for t in TARGETS)
    assert local == aws == gce
    assert [values(trees[case][t])["etcd_disk"] for t in TARGETS] == [8, 8, 10]
    names = {machine.name for machine in golden.load(case)[2].machines if machine.role != "worker"}
    assert set(local["machines"]) == names


@pytest.mark.parametrize("target", TARGETS)
def test_every_value_is_declared(trees, target):
    assert set(values(trees["ha"][target])) <= blocks(trees["ha"][target], "variable")


@pytest.mark.parametrize("target", providers.NAMES)
def test_the_addresses_of_a_target_are_resources_of_its_module(target):
    text = "".join(path.read_text() for path in sorted((MODULES / target).glob("*.tf")))
    addresses = [address for address in astuple(providers.load(target).addresses) if address]
    assert len(addresses) >= 2
    for address in addresses:
        kind, name = address.split(".")
        assert f'resource "{kind}" "{name}" {{' in text
