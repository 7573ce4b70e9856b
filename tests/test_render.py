"""The rendered tree: goldens, purity, stability under growth."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import golden
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import AMD64, HOSTILE, definitions, document, pools, write
from test_topology import STAR_WARS

from generator import render, rendered_folder, schema, terraform_binary, topology
from generator.definition import Pool
from generator.lock import Packages
from providers.local import mirror

ROOT = Path(__file__).parent.parent
LOCK = golden.load("star-wars")[1]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO "


def rendered(definition, lock=LOCK, target=None):
    known = replace(lock, blocks=topology.blocks(definition, lock.blocks))
    machines = topology.lay_out(definition, known.blocks)
    chosen = target or golden.target(definition)
    return render.tree(definition, known, machines, chosen, golden.secrets(machines))


def values(tree):
    return json.loads(tree["terraform.tfvars.json"])


def release(tree):
    return json.loads(tree["documents/release.json"])


@pytest.mark.parametrize("case", [*golden.CASES, *golden.ELSEWHERE])
def test_golden(case):
    assert golden.normalised(golden.tree(case)) == golden.committed(case), "if meant: python -m tests.golden"


@pytest.mark.parametrize("path", sorted(golden.EXAMPLES.glob("*/cluster.yaml")), ids=lambda path: path.parent.name)
def test_every_target_that_an_example_names_has_a_golden_tree(path):
    named = {(path.parent.name, target) for target in schema.load(path).providers.named}
    assert named <= {(example, "local") for example in golden.CASES.values()} | set(golden.ELSEWHERE.values())


def test_terraform_files_are_the_modules_own():
    folders = (ROOT / "modules" / "common", ROOT / "modules" / "local")
    module = {path.name: path.read_bytes() for folder in folders for path in folder.glob("*.tf")}
    assert {name: data for name, data in golden.tree("ha").items() if name.endswith(".tf")} == module


@settings(max_examples=15)
@given(definitions(AMD64))
def test_the_same_input_gives_the_same_tree(definition):
    assert rendered(definition) == rendered(replace(definition))


def test_rendering_writes_nothing_and_starts_nothing():
    golden.tree("ha")  # imports write bytecode
    done, watching = [], [True]

    def hook(event, arguments):
        if not watching:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            done.append(arguments)
        elif event.startswith(("subprocess.", "socket.", "os.mkdir", "os.rename", "os.remove", "os.system")):
            done.append((event, *arguments))

    sys.addaudithook(hook)  # it can never be taken out again
    try:
        golden.tree("ha")
    finally:
        watching.clear()
    assert done == []


@settings(max_examples=25)
@given(definitions(AMD64), st.data())
def test_a_machine_more_changes_no_other(definition, data):
    index = data.draw(st.integers(0, len(definition.workers) - 1))
    pool = definition.workers[index]
    grown = (*definition.workers[:index], replace(pool, count=pool.count + 1), *definition.workers[index + 1 :])
    before, after = rendered(definition), rendered(replace(definition, workers=grown))
    assume(release(before)["addons"] == release(after)["addons"])  # their pods may be more in a larger cluster
    # A worker is in no document: the other machines see the very same release.
    old, new = values(before), values(after)
    for name in ("terraform.tfvars.json", "applied.json"):
        assert after.pop(name) != before.pop(name)
    assert after == before
    assert new["pools"][pool.name].pop("count") == old["pools"][pool.name].pop("count") + 1
    for bound in ("min", "max"):
        assert new["pools"][pool.name].pop(bound) >= old["pools"][pool.name].pop(bound)
    assert new == old


@settings(max_examples=25)
@given(definitions(AMD64), pools(st.just("z-new"), AMD64), st.data())
def test_a_pool_more_changes_no_other_group(definition, pool, data):
    index = data.draw(st.integers(0, len(definition.workers)))
    more = replace(definition, workers=(*definition.workers[:index], pool, *definition.workers[index:]))
    known = replace(LOCK, blocks=topology.blocks(definition, LOCK.blocks))
    before, after = rendered(definition, known), rendered(more, known)
    assert set(after) - set(before) == {"user-data/worker-z-new.yaml"}
    for name, data in before.items():
        if name.startswith("user-data/") or name.endswith(".tar"):
            assert after[name] == data
    old, new = release(before), release(after)
    assert set(new["groups"]) - set(old["groups"]) == {"worker-z-new"}
    del new["groups"]["worker-z-new"]
    del old["addons"], new["addons"]  # whose pods may be more in a larger cluster
    assert new == old


@settings(max_examples=25)
@given(definitions(AMD64))
def test_what_terraform_is_told_agrees_with_the_tree(definition):
    tree = rendered(definition)
    found = values(tree)
    for told in found["documents"].values():
        assert hashlib.sha256(tree[told["file"]]).hexdigest() == told["sha256"]
    groups = {shape["group"] for shape in [*found["machines"].values(), *found["pools"].values()]}
    assert {f"user-data/{group}.yaml" for group in groups} == {name for name in tree if name.startswith("user-data/")}
    assert [machine["api"] for machine in found["machines"].values()].count(True) == 1
    assert groups <= release(tree)["groups"].keys()
    assert {machine["role"] for machine in found["machines"].values()} | {"worker"} == release(tree)["roles"].keys()
    assert f"node/{release(tree)['node']}.tar" in found["documents"]


def read_by(definition, lock):
    """Archive -> the roles that may fetch it."""
    found = render.archives(definition, lock, topology.lay_out(definition, lock.blocks))
    return {key: set(archive["roles"]) for key, archive in found.items()}


@pytest.mark.parametrize("case", golden.CASES)
def test_archives_are_for_exactly_the_roles_that_load_them(case):
    definition, lock, _ = golden.load(case)
    roles = release(golden.tree(case))["roles"]
    loaded = {name: {role for role in roles if name in roles[role]["images"]} for name in lock.images["amd64"]}
    network = {name for name in loaded if not loaded[name]}  # what no role runs makes up the network, on all machines
    assert network and network <= {"cni", "flannel", "weave", "weaveexec", "weavedb"}
    updates = {f"packages/{found.archive.sha256}.tar": set(roles) for found in lock.updates.values()}
    assert read_by(definition, lock) == updates | {
        f"images/{image.archive}.tar": loaded[name] or set(roles) for name, image in lock.images["amd64"].items()
    }


def test_no_worker_may_fetch_etcd_and_no_etcd_machine_what_pods_run():
    definition, lock, _ = golden.load("star-wars")
    found, images = read_by(definition, lock), lock.images["amd64"]
    wanted = {"etcd": {"etcd"}, "hyperkube": {"master", "worker"}, "coredns": {"master", "worker"}}
    wanted["weave"] = {"etcd", "master", "worker"}
    assert {name: found[f"images/{images[name].archive}.tar"] for name in wanted} == wanted
    on_masters = replace(definition, etcd=replace(definition.etcd, count=0))
    assert read_by(on_masters, lock)[f"images/{images['etcd'].archive}.tar"] == {"master"}


def test_archives_are_of_the_architectures_that_machines_have():
    definition, lock, _ = golden.load("star-wars")
    amd64 = lock.images["amd64"]
    arm64 = {name: replace(image, archive=f"{n:064x}") for n, (name, image) in enumerate(amd64.items())}
    lock = replace(lock, images={"amd64": amd64, "arm64": arm64}, packages={"arm64": Packages("f" * 64, 1)})
    assert not any(f"images/{image.archive}.tar" in read_by(definition, lock) for image in arm64.values())
    assert f"packages/{'f' * 64}.tar" not in read_by(definition, lock)
    mixed = replace(definition, workers=tuple(replace(pool, arch="arm64") for pool in definition.workers))
    found = read_by(mixed, lock)
    for images in (amd64, arm64):
        assert {f"images/{image.archive}.tar" for image in images.values()} <= found.keys()
    assert found[f"packages/{'f' * 64}.tar"] == {"etcd", "master", "worker"}


def test_a_pool_without_machines_yet_boots_like_any_other():
    definition = replace(STAR_WARS, workers=(Pool("later", 0, "small", max=5),))
    tree = rendered(definition)
    assert "user-data/worker-later.yaml" in tree
    later = values(tree)["pools"]["later"]
    assert (later["count"], later["min"], later["max"], later["group"]) == (0, 0, 5, "worker-later")
    assert "worker" in release(tree)["roles"]


def test_a_backend_is_rendered_where_the_target_has_one():
    backend = {"s3": {"bucket": "states", "key": "star-wars/terraform.tfstate", "use_lockfile": True}}
    target = render.Target("local", {}, {"amd64": golden.BASE_IMAGE}, backend)
    tree = rendered(STAR_WARS, target=target)
    assert json.loads(tree["backend.tf.json"]) == {"terraform": {"backend": backend}}
    assert "backend.tf.json" not in rendered(STAR_WARS, target=replace(target, backend=None))


@pytest.mark.parametrize("name", ["aws", "gce"])
def test_protection_is_lifted_by_a_file_that_is_not_rendered(name):
    files = render.unprotected(name)
    assert files.keys() == {"unprotect_override.tf"}
    tree = rendered(STAR_WARS, target=render.Target(name, {}, {"amd64": "image"}))
    assert not files.keys() & tree.keys()
    assert b"prevent_destroy = true" in b"".join(data for path, data in tree.items() if path.endswith(".tf"))
    assert b"prevent_destroy = false" in files["unprotect_override.tf"]


def test_local_machines_are_not_protected():
    assert render.unprotected("local") == {}


def test_hostile_text_stays_data(tmp_path):
    comments = [text for text in HOSTILE if text.isprintable()]
    hostile = replace(STAR_WARS, ssh_keys=tuple(KEY + text.strip() for text in comments))
    definition = schema.load(write(tmp_path / "cluster.yaml", document(hostile)))
    assert definition.ssh_keys == hostile.ssh_keys
    hostile = {"text": list(HOSTILE), '"${x}': {"in": "%{ for"}}
    tree = rendered(definition, target=render.Target("local", hostile, {"amd64": golden.BASE_IMAGE}))
    assert values(tree)["ssh_keys"] == list(definition.ssh_keys)
    assert values(tree)["settings"]["text"] == list(HOSTILE)
    assert terraform_reads(tree, tmp_path) == {
        "ssh_keys": values(tree)["ssh_keys"],
        "settings": values(tree)["settings"],
    }


def terraform(folder, *arguments, stdin="", **env):
    """Run Terraform without the user's own settings; its output."""
    binary = terraform_binary.find(os.environ).path
    env = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", **env}
    done = subprocess.run(
        [binary, *arguments], input=stdin, cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def terraform_reads(tree, folder):
    """What Terraform itself makes of two of the variables."""
    (folder / "main.tf").write_text('variable "ssh_keys" { type = any }\nvariable "settings" { type = any }\n')
    (folder / "terraform.tfvars.json").write_bytes(tree["terraform.tfvars.json"])
    asked = "base64encode(jsonencode({ssh_keys = var.ssh_keys, settings = var.settings}))"
    answer = terraform(folder, "console", stdin=asked).strip().splitlines()[-1]
    return json.loads(base64.b64decode(json.loads(answer)))


def test_every_value_is_declared():
    tree = golden.tree("ha")
    text = "".join(data.decode() for name, data in tree.items() if name.endswith(".tf"))
    declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    assert set(values(tree)) <= declared


def test_terraform_plans_the_tree(tmp_path):
    """The whole local target, against its own provider: every machine, document, disk and network is to be made."""
    folder = tmp_path / "rendered"
    rendered_folder.write(golden.tree("ha"), folder)
    settings = tmp_path / "terraform.rc"
    settings.write_text(f'provider_installation {{ filesystem_mirror {{ path = "{mirror.install(tmp_path)}" }} }}\n')
    env = {
        "TF_CLI_CONFIG_FILE": str(settings),
        "ANYWHERE_TERRAFORM_PROVIDER": str(Path(sys.executable).parent / mirror.PROGRAM),
        "ANYWHERE_HOME": str(tmp_path / "home"),
        "TF_VAR_secrets": json.dumps(dict.fromkeys(golden.COMPONENTS, "{}")),
    }
    terraform(folder, "init", "-input=false", **env)
    terraform(folder, "plan", "-input=false", "-lock=false", "-out=plan", **env)
    plan = json.loads(terraform(folder, "show", "-json", "plan", **env))
    made = [change["address"] for change in plan["resource_changes"] if change["change"]["actions"] == ["create"]]
    assert len(made) == len(plan["resource_changes"])
    machines = {address for address in made if address.startswith("anywhere_machine.")}
    # Terraform names workers and gives them their addresses by itself; the topology says the same.
    wanted = {machine.name: machine.address for machine in golden.load("ha")[2].machines}
    assert machines == {f'anywhere_machine.machine["{name}"]' for name in wanted}
    planned = {
        c["change"]["after"]["name"]: c["change"]["after"]
        for c in plan["resource_changes"]
        if "machine." in c["address"]
    }
    assert {name: machine["address"].split("/")[0] for name, machine in planned.items()} == wanted
    assert not (tmp_path / "home").exists()


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="cloud-init is not installed")
def test_cloud_init_accepts_the_user_data(tmp_path):
    path = tmp_path / "user-data"
    path.write_bytes(golden.tree("ha")["user-data/worker-batch.yaml"])
    done = subprocess.run(["cloud-init", "schema", "--config-file", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
