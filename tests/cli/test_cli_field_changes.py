"""Changes of the definition against what was applied, with Terraform's own states: refused, announced, or plain."""

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from generator import applied, lock, render
from generator.lock import path_beside
from generator.schema import fields
from tests.cli.target import DEFINITION, run

APPLIED = """
output "applied" {
  value = file("${path.module}/applied.json")
}
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO me"
POOL = "  workers: {count: 1, size: small}\n"
AUTHORITIES = ("etcd", "front-proxy", "kubelet-client", "kubelet-serving", "kubernetes")
FOLDER = ".anywhere/quickstart-local"


@pytest.fixture
def cluster(nowhere, definition, monkeypatch):
    """A cluster that was applied, with what is recorded of it."""

    def tree(wanted, locked, *rest):
        recorded = applied.document(applied.fields(wanted, locked, "local"))
        return {"machines.tf": (nowhere.main + APPLIED).encode(), "applied.json": recorded}

    monkeypatch.setattr(render, "tree", tree)
    assert run("apply", "--yes", "--timeout", "20") == 0
    return nowhere


def define(definition, before, after):
    text = definition.read_text()
    assert before in text
    definition.write_text(text.replace(before, after))


def content(folder):
    """All that is rendered, and the state."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".terraform" not in path.parts}


def state(home):
    return (home / FOLDER / "terraform.tfstate").read_text()


def test_a_key_that_no_machine_gets_is_announced_in_each_form(cluster, home, definition, capsys):
    define(definition, POOL, f"{POOL}  access: {{ssh_keys: [{KEY}]}}\n")
    capsys.readouterr()
    assert run("plan") == 0
    out = capsys.readouterr().out
    said = "spec.access.ssh_keys: applies to new machines only; existing machines keep what they have"
    assert f"  ! {said} (to replace them one by one, run `" in out
    assert f"-chdir={FOLDER} taint 'terraform_data.machine[\"master1\"]'`, then `anywhere apply`)." in out
    assert run("plan", "--json") == 0
    (notice,) = json.loads(capsys.readouterr().out)["notices"]
    assert f"{notice['field']}: {notice['text']}".startswith(said)
    assert run("plan", "--markdown") == 0
    assert f"- `{said.replace(':', '`:')}" in capsys.readouterr().out
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert said in capsys.readouterr().out
    assert run("plan", "--detailed-exitcode") == 0
    assert "ssh_keys" not in capsys.readouterr().out


def test_the_remedy_where_the_target_makes_workers_itself(cluster, definition, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "manages_workers", True, raising=False)
    define(definition, POOL, f"{POOL}  access: {{ssh_keys: [{KEY}]}}\n")
    assert run("plan") == 0
    remedy = capsys.readouterr().out.partition("one by one, ")[2].partition(")")[0]
    assert remedy.endswith("then `anywhere apply`; delete a worker's instance, and its group starts another")


def test_the_remedy_has_terraform_replace_a_machine(cluster, home, definition, capsys):
    define(definition, POOL, f"{POOL}  access: {{ssh_keys: [{KEY}]}}\n")
    assert run("plan") == 0
    command = capsys.readouterr().out.partition("one by one, run `")[2].partition("`, then")[0]
    single = command.replace('["master1"]', "")  # this target's stands alone
    done = subprocess.run(["sh", "-c", single], cwd=home, capture_output=True, text=True, check=False)
    if not shutil.which("terraform") and "not found" in done.stderr:
        pytest.skip("terraform is not on PATH")
    assert done.returncode == 0, done.stderr
    assert run("plan") == 0
    assert "± terraform_data.machine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (POOL, "  workers: {count: 1, size: small, labels: {team: red}, taints: ['dedicated=x:NoSchedule']}\n"),
        ("schedulable: true", "schedulable: false"),
        ("masters: {count: 1,", "masters: {count: 3,"),
    ],
)
def test_what_reaches_machines_that_are_there_is_no_warning(cluster, definition, capsys, before, after):
    define(definition, before, after)
    capsys.readouterr()
    assert run("plan") == 0
    assert "!" not in capsys.readouterr().out


NEVER = {
    "members of their own": ("etcd: {count: 0}", "etcd: {count: 3}", 5, "spec.etcd.count: 0 was applied", "3"),
    "pods": (
        POOL,
        f"{POOL}  network: {{pods: 10.64.0.0/12}}\n",
        8,
        'spec.network.pods: "10.32.0.0/12" was applied',
        '"10.64.0.0/12"',
    ),
    "encryption of flannel": (
        POOL,
        f"{POOL}  network:\n    encryption: false\n",
        9,
        "spec.network.encryption: true was applied",
        "false",
    ),
    "a smaller disk": (
        "size: small",
        "size: tiny",
        7,
        'spec.workers[general].size: "small" was applied',
        '"tiny"',
    ),
}


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes", "--timeout", "20")])
@pytest.mark.parametrize(("before", "after", "line", "said", "value"), NEVER.values(), ids=NEVER)
def test_what_no_cluster_can_take_is_refused(cluster, home, definition, capsys, verb, before, after, line, said, value):
    known = content(home / FOLDER)
    define(definition, before, after)
    capsys.readouterr()
    assert run(*verb) == 1
    printed = capsys.readouterr()
    assert f"error: cluster.yaml:{line}: {said}, and cannot become {value}.\n" in printed.err
    assert "hint: Nothing was changed. Put back what was applied." in printed.err and "metadata.name" in printed.err
    assert "Plan:" not in printed.out and content(home / FOLDER) == known


def test_a_lock_that_was_made_anew_is_refused(cluster, home, definition, capsys):
    path = path_beside(definition)
    known = lock.read(path)
    lock.write(
        path, lock.Lock(**{**{name: getattr(known, name) for name in known.__slots__}, "blocks": {"general": 3}})
    )
    assert run("plan") == 1
    err = capsys.readouterr().err
    assert "cluster.lock.yaml:" in err and 'lock.blocks: {"general": 0} was applied' in err
    assert "git checkout COMMIT -- cluster.lock.yaml" in err


def test_a_lock_and_a_store_of_another_cluster_are_refused(cluster, home, definition, monkeypatch, capsys):
    """Of one with the same name, as on another branch: they belong to each other."""
    other, beside = home / "other", path_beside(definition)
    other.mkdir()
    (other / "cluster.yaml").write_text(DEFINITION)
    lock.write(other / beside.name, replace(lock.read(beside), secrets=None))
    assert run("secrets", "update", other / "cluster.yaml") == 0
    for name in (beside.name, "cluster.secrets.age"):
        shutil.copy(other / name, home)
    known = content(home / FOLDER)
    for verb in (("plan",), ("apply", "--yes", "--timeout", "20")):
        capsys.readouterr()
        assert run(*verb) == 1
        err = capsys.readouterr().err
        lines = re.findall(r"cluster\.lock\.yaml:(\d+): (lock\.secrets\S+): \"\S+ was applied, and cannot", err)
        text = beside.read_text().splitlines()
        assert [path for _, path in lines] == [
            "lock.secrets.store",
            *(f"lock.secrets.targets[local].authorities[{name}]" for name in AUTHORITIES),
        ]
        assert all(re.findall(r"\w[\w-]*", path)[-1] in text[int(line) - 1] for line, path in lines)
        assert err.count("bring back the lock and the secrets of one and the same commit") == 1
        assert content(home / FOLDER) == known


def version(definition, known, wanted):
    """Have the definition and its lock ask for another version, as an older commit of both does."""
    path = path_beside(definition)
    lock.write(path, replace(lock.read(path), kubernetes=wanted))
    definition.write_text(DEFINITION + f"  kubernetes: {{version: {wanted}}}\n")


def test_a_step_back_from_what_was_applied_takes_an_option(cluster, home, definition, capsys):
    known = content(home / FOLDER)
    version(definition, "v1.37.2", "v1.36.0")
    for verb in (("plan",), ("apply", "--yes", "--timeout", "20")):
        assert run(*verb) == 1
        err = capsys.readouterr().err
        assert "Kubernetes v1.36.0 in cluster.yaml is older than v1.37.2 that was applied." in err
        assert "run `anywhere apply --allow-downgrade`.\n" in err
        assert content(home / FOLDER) == known
        assert run(*verb, "--allow-downgrade") == 0
        known = content(home / FOLDER)


def test_no_minor_version_after_what_was_applied_is_left_out(cluster, home, definition, monkeypatch, capsys):
    monkeypatch.setattr(fields, "NEWEST", {minor: f"v{minor}.0" for minor in ("1.37", "1.38", "1.39")})
    version(definition, "v1.37.2", "v1.39.0")
    assert run("plan") == 1
    assert "An upgrade from v1.37.2 to v1.39.0 leaves out v1.38." in capsys.readouterr().err


def test_an_answer_of_no_leaves_the_folder_as_it_was(cluster, home, definition, monkeypatch):
    known = content(home / FOLDER)
    define(definition, POOL, "  workers: {count: 2, size: medium}\n")
    cluster.main = cluster.main.replace("VALUE", "OTHER")
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert run("apply") == 1 and content(home / FOLDER) == known


def test_an_answer_of_no_to_a_new_cluster_leaves_nothing_rendered(nowhere, home, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert run("apply") == 1 and content(home / FOLDER) == {}


@pytest.mark.parametrize(
    ("workers", "said"),
    [
        ("{count: 2, size: small}", []),
        ("{count: 2, size: medium}", ['"small" -> "medium"; the workers of the pool are stopped and started again']),
    ],
)
def test_changes_that_are_live_are_announced_only_where_they_stop_something(cluster, definition, workers, said, capsys):
    define(definition, POOL, f"  workers: {workers}\n")
    capsys.readouterr()
    assert run("plan", "--json") == 0
    assert [notice["text"] for notice in json.loads(capsys.readouterr().out)["notices"]] == said


def test_a_pool_that_comes_or_goes_is_compared_with_nothing(cluster, definition, capsys):
    define(definition, POOL, "  workers: [{name: other, count: 1, size: tiny, labels: {a: b}}]\n")
    capsys.readouterr()
    assert run("plan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["notices"] == []


def test_a_state_of_an_older_version_is_compared_with_nothing(nowhere, definition, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    define(definition, "masters: {count: 1,", "masters: {count: 3,")
    assert run("plan") == 0


def test_in_another_checkout_a_remote_state_says_what_was_applied(nowhere, home, definition, monkeypatch, capsys):
    arguments = {"local": {"path": str(home / "shared.tfstate")}}
    monkeypatch.setattr(nowhere, "backend", lambda definition: arguments, raising=False)

    def tree(wanted, locked, *rest):
        backend = json.dumps({"terraform": {"backend": arguments}}).encode()
        recorded = applied.document(applied.fields(wanted, locked, "local"))
        return {"machines.tf": (nowhere.main + APPLIED).encode(), "backend.tf.json": backend, "applied.json": recorded}

    monkeypatch.setattr(render, "tree", tree)
    assert run("apply", "--yes", "--timeout", "20") == 0
    there = home / "elsewhere"
    there.mkdir()
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.secrets.age"):
        shutil.copy(home / name, there)
    monkeypatch.chdir(there)
    (there / "cluster.yaml").write_text(DEFINITION.replace("etcd: {count: 0}", "etcd: {count: 1}"))
    assert run("plan") == 1
    assert "spec.etcd.count: 0 was applied, and cannot become 1." in capsys.readouterr().err


FAILING = """
resource "terraform_data" "%s" {
  depends_on = [%s]

  provisioner "local-exec" {
    command = "false"
  }
}
"""
DISK = """
resource "terraform_data" "disk" {
}
"""
RECORDED = APPLIED.replace("file(", 'terraform_data.disk.id == "" ? "" : file(')


@pytest.mark.parametrize(
    ("main", "status"),
    [
        (FAILING % ("disk", "terraform_data.machine") + RECORDED, 0),  # etcd has no disk yet
        (DISK + FAILING % ("late", "terraform_data.disk") + RECORDED, 1),
    ],
    ids=["before etcd has disks", "after"],
)
def test_a_first_apply_that_failed_counts_once_there_is_something_to_lose(
    nowhere, definition, monkeypatch, main, status
):
    def tree(wanted, locked, *rest):
        recorded = applied.document(applied.fields(wanted, locked, "local"))
        return {"machines.tf": (nowhere.main + main).encode(), "applied.json": recorded}

    monkeypatch.setattr(render, "tree", tree)
    assert run("apply", "--yes", "--timeout", "20") == 1
    define(definition, "etcd: {count: 0}", "etcd: {count: 3}")
    assert run("plan") == status
