import json
from dataclasses import FrozenInstanceError
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path

import pytest

from generator.definition import NEWEST, SIZES, VERSION
from generator.kubernetes_version import number
from generator.schema import json_schema, load
from generator.sections import Local, Sections

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*/cluster.yaml"))
MINIMAL = "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: tiny}\nspec:\n  workers: {count: 2}\n"


def test_what_is_left_out_has_a_default(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(MINIMAL)
    found = load(path)
    assert (found.path, found.name, found.kubernetes) == (path, "tiny", VERSION)
    assert (found.etcd.count, found.masters.count, found.masters.schedulable) == (0, 1, False)
    assert [(pool.name, pool.count, pool.arch) for pool in found.workers] == [("general", 2, "amd64")]
    assert found.network.driver is None
    assert found.network.machines == IPv4Network("10.20.0.0/16")
    assert (found.addons, found.registry, found.ssh_keys) == (("dns",), None, ())
    assert found.providers == Sections(
        Local(machines="vm", egress=True, host_loopback=False, accel="auto"), aws=None, gce=None
    )


def test_a_definition_is_frozen(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_text(MINIMAL)
    with pytest.raises(FrozenInstanceError):
        load(path).name = "other"


def test_sizes_grow():
    sizes = [(size.cpus, size.memory, size.disk) for size in SIZES.values()]
    assert all(a <= b for one, other in pairwise(sizes) for a, b in zip(one, other, strict=True))


def test_the_default_version_is_the_newest():
    assert all(version.startswith(f"v{minor}.") for minor, version in NEWEST.items())
    assert max(NEWEST.values(), key=number) == VERSION


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_examples_are_right_and_name_their_schema(path):
    assert load(path).name == path.parent.name
    key, _, schema = path.read_text().splitlines()[0].partition("$schema=")
    assert key == "# yaml-language-server: "
    assert (path.parent / schema).resolve() == ROOT / "docs" / "cluster.schema.json"


def test_examples_are_three():
    assert [path.parent.name for path in EXAMPLES] == ["ha", "quickstart", "star-wars"]


def test_the_committed_json_schema_is_current():
    assert json.loads((ROOT / "docs" / "cluster.schema.json").read_text()) == json_schema()


def test_the_json_schema_refuses_unknown_keys_everywhere():
    schema = json_schema()
    for model in (schema, *schema["$defs"].values()):
        assert model["additionalProperties"] is False
