"""Virtual machines and containers get the same bytes; only the target's own settings differ."""

import json

from generator import lock as locks
from generator import render, schema, topology
from tests import golden


def rendered(folder, section):
    """The quickstart for local machines with that section."""
    folder.mkdir()
    file = folder / "cluster.yaml"
    example = (golden.EXAMPLES / "quickstart" / "cluster.yaml").read_text()
    assert "local: {}" in example
    file.write_text(example.replace("local: {}", f"local: {section}"))
    definition, lock = schema.load(file), locks.read(golden.HERE / "quickstart.lock.yaml")
    machines = topology.lay_out(definition, lock.blocks)
    return render.tree(definition, lock, machines, golden.target(definition), golden.secrets(machines))


def test_both_kinds_get_the_same_release_and_user_data(tmp_path):
    vm, container = (rendered(tmp_path / kind, f"{{machines: {kind}}}") for kind in ("vm", "container"))
    assert vm.keys() == container.keys()
    assert [name for name in vm if vm[name] != container[name]] == ["terraform.tfvars.json"]
    values = [json.loads(tree["terraform.tfvars.json"]) for tree in (vm, container)]
    assert [each.pop("settings")["machines"] for each in values] == ["vm", "container"]
    assert values[0] == values[1]
