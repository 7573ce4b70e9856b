"""What is put on machines: the archive and the user-data, read back the way a machine reads them."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from generator import node
from generator.errors import UserError

MODULES = Path(__file__).parent.parent / "modules"


def members():
    with tarfile.open(fileobj=io.BytesIO(node.archive())) as archive:
        return {member.name: (member, archive.extractfile(member).read()) for member in archive if member.isfile()}


def test_the_archive_holds_our_files_as_they_are():
    for name, (member, data) in members().items():
        source = MODULES / name.removeprefix("targets/") if name.startswith("targets/") else MODULES / "node" / name
        assert data == source.read_bytes()
        assert (member.uid, member.gid, member.mtime, member.mode) == (0, 0, 0, 0o644)
        assert not name.startswith("/") and ".." not in name and "__pycache__" not in name
    assert {"agent/__main__.py", "agent/network/weave/router.py", "units/anywhere-approver.service"} <= members().keys()
    stores = {f"targets/{t}/{name}" for t in ("aws", "gce", "local") for name in ("anywhere-target", "anywhere-store")}
    assert {name for name in members() if name.startswith("targets/")} == stores


def test_what_tools_leave_behind_is_not_archived(tmp_path):
    for name in ("a.py", "b/c.py", "__pycache__/a.pyc", "b/__pycache__/c.pyc", ".mypy_cache/x", ".a.py.swp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(name for name, _ in node._files(tmp_path, "agent")) == ["agent/a.py", "agent/b/c.py"]


def test_the_archive_is_the_same_in_another_process(tmp_path):
    """Whatever the hash seed, the time zone, the umask or the folder."""
    code = "import sys; from generator import node; sys.stdout.buffer.write(node.archive())"
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, check=True, umask=0o77
    )
    assert done.stdout == node.archive()
    assert node.archive()


def test_the_agent_in_the_archive_runs(tmp_path):
    """As a machine does it: unpacked, on PYTHONPATH, by the system's own Python, with nothing installed."""
    with tarfile.open(fileobj=io.BytesIO(node.archive())) as archive:
        archive.extractall(tmp_path, filter="data")
    modules = [name.removesuffix(".py").replace("/", ".") for name in members() if name.startswith("agent/")]
    modules = [name for name in modules if not name.endswith("__main__")]
    code = f"import importlib; [importlib.import_module(name) for name in {modules!r}]"
    env = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True)


def test_user_data_carries_its_parts_unchanged():
    text = node.user_data("local", "worker", "worker-general", [])
    assert text.startswith(b"#cloud-config\n")
    found = YAML(typ="safe").load(text)
    files = {file["path"]: file for file in found["write_files"]}
    sources = {
        "/usr/local/bin/anywhere-target": MODULES / "local" / "anywhere-target",
        "/usr/local/bin/anywhere-fetch": MODULES / "local" / "anywhere-fetch",
        "/usr/local/sbin/anywhere-converge": MODULES / "node" / "boot" / "anywhere-converge",
        "/etc/systemd/system/anywhere-converge.service": MODULES / "node" / "boot" / "anywhere-converge.service",
        "/etc/systemd/system/anywhere-converge.timer": MODULES / "node" / "boot" / "anywhere-converge.timer",
    }
    for path, source in sources.items():
        assert files[path]["content"].rstrip("\n") == source.read_text().rstrip("\n")
        run = path.startswith("/usr/local/") and not path.endswith("anywhere-target")
        assert (files[path].get("permissions") == "0755") is run
    assert files["/etc/anywhere/node.env"]["content"].splitlines() == [
        "ANYWHERE_ROLE=worker",
        "ANYWHERE_GROUP=worker-general",
        "ANYWHERE_METADATA=10.0.2.100",
    ]
    assert "ssh_authorized_keys" not in found  # cloud-init wants no empty list


def test_user_data_holds_the_ssh_keys():
    keys = ["ssh-ed25519 AAAA quote \" ' # and more", "ssh-rsa BBBB \\", "ssh-rsa CCCC \u00e9\u200d\U0001f680"]
    assert YAML(typ="safe").load(node.user_data("aws", "etcd", "etcd", keys))["ssh_authorized_keys"] == keys


def test_the_boot_script_compiles():
    path = MODULES / "node" / "boot" / "anywhere-converge"
    compile(path.read_text(), str(path), "exec")
    assert path.read_text().startswith("#!/usr/bin/python3\n")


def test_user_data_past_the_limit_says_what_is_large(monkeypatch):
    monkeypatch.setattr(node, "USER_DATA_LIMIT", 1000)
    with pytest.raises(UserError) as caught:
        node.user_data("local", "worker", "worker-general", [])
    for part in ("worker-general", "fetch ", "converge ", "service ", "timer ", "1000"):
        assert part in caught.value.message


@pytest.mark.parametrize("provider", sorted(path.parent.name for path in MODULES.glob("*/anywhere-fetch")))
def test_user_data_is_far_from_the_limit(provider):
    assert len(node.user_data(provider, "worker", "worker-" + "x" * 20, [])) < node.USER_DATA_LIMIT * 3 // 4
