"""modules/local, as a rendered folder has it, against the real terraform and the real QEMU."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from local_stack import BASE, Stack

from generator.errors import UserError
from generator.progress import Silent
from generator.terraform import Terraform

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("terraform", "qemu-system-x86_64", "qemu-img"))), reason="terraform and QEMU are needed"
)
MODULES = Path(str(resources.files("modules")))
SECRETS = {"TF_VAR_secrets": json.dumps({"etcd": "etcd's key"})}


def shape(number: int, **other: Any) -> dict[str, Any]:
    sizes = {"size": "tiny", "arch": "amd64", "cpus": 1, "memory": 64, "disk": 1}
    place = {"number": number, "address": f"10.20.1.{number}/16", "etcd": True, "api": number == 1}
    return {"role": "master", "group": "master", **place, **sizes, **other}


def pool(count: int) -> dict[str, Any]:
    sizes = {"size": "tiny", "arch": "amd64", "cpus": 1, "memory": 64, "disk": 1}
    return {"group": "worker-gpu", "count": count, "min": count, "max": count, "spot": False, "offset": 1024, **sizes}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    for module in ("common", "local"):
        for file in (MODULES / module).glob("*.tf"):
            shutil.copy(file, stack.folder)
    for group in ("master", "worker-gpu"):
        file = stack.folder / "user-data" / f"{group}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text("#cloud-config\n# ${not a template} %{nor this}\n")
    (stack.folder / "documents").mkdir()
    yield stack
    stack.clean()


def write(stack: Stack, release: str = "1", **other: Any) -> None:
    (stack.folder / "documents" / "release.json").write_text(release)
    (stack.folder / "applied.json").write_text("{}")
    digest = hashlib.sha256(release.encode()).hexdigest()
    values = {
        "cluster": "c",
        "network": {"machines": "10.20.0.0/16", "driver": "weave", "encryption": True},
        "base_images": {"amd64": BASE},
        "pools": {},
        "etcd_disk": 8,
        "ssh_keys": [],
        "settings": {"egress": False, "accel": "tcg"},
        "documents": {"release.json": {"file": "documents/release.json", "sha256": digest}},
        "secret_documents": {"etcd": {"roles": ["master"], "version": "1"}},
        "machines": {"master1": shape(1)},
        **other,
    }
    (stack.folder / "terraform.tfvars.json").write_text(json.dumps(values))


def outputs(stack: Stack) -> dict[str, Any]:
    return {name: output["value"] for name, output in json.loads(stack.run("output", "-json")).items()}


def test_is_formatted() -> None:
    subprocess.run(["terraform", "fmt", "-check", "-diff", str(MODULES / "common"), str(MODULES / "local")], check=True)


def test_makes_a_cluster(stack: Stack, tmp_path: Path) -> None:
    write(stack, pools={"gpu": pool(1)})
    stack.init()
    stack.apply(**SECRETS)
    stack.settled()
    shown = outputs(stack)
    assert shown["api"].startswith("https://127.0.0.1:")
    assert shown["machines"]["worker-gpu-1"]["address"] == "10.20.4.1"
    assert Path(shown["machines"]["master1"]["console"]).exists()
    assert [path.name for path in (stack.cluster / "disks").glob("*.qcow2")] == ["master1-etcd.qcow2"]
    assert len(stack.processes()) == 2
    assert "etcd's key" not in (stack.folder / "terraform.tfstate").read_text()
    write(stack, cluster="other")  # whatever is rendered there by now, the state says whose it is
    runner = Terraform(stack.folder, tmp_path / "cache", Silent())
    with pytest.raises(UserError, match="the Terraform state of cluster 'c', not of 'other'"):
        runner.check_state("other")
    write(stack, pools={"gpu": pool(1)})


def test_a_new_release_changes_one_document_and_no_machine(stack: Stack) -> None:
    write(stack)
    stack.init()
    stack.apply(**SECRETS)
    pid = stack.pid("master1")
    (stack.folder / "user-data" / "master.yaml").write_text("#cloud-config\n# newer\n")
    write(stack, release="2", base_images={"amd64": "b" * 64}, ssh_keys=["ssh-ed25519 AAAA someone"])
    assert "0 added, 1 changed, 0 destroyed" in stack.apply(**SECRETS)
    assert (stack.cluster / "documents" / "release.json").read_text() == "2"
    assert stack.pid("master1") == pid


def test_another_machine_leaves_the_first_alone(stack: Stack) -> None:
    write(stack)
    stack.init()
    stack.apply(**SECRETS)
    pid = stack.pid("master1")
    write(stack, machines={"master1": shape(1), "master2": shape(2)})
    assert "2 added, 0 changed, 0 destroyed" in stack.apply(**SECRETS)
    assert stack.pid("master1") == pid
    write(stack)
    # Removing waits for the power button, which a machine that boots nothing does not hear.
    stack.kill("master2")
    assert "2 destroyed" in stack.apply(**SECRETS)
    assert len(stack.processes()) == 1
