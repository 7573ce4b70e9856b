"""The command line: what it prints, how it ends, and apply from a definition to Ready on a target made of nothing."""

import errno
import io
import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from test_kubernetes import Api, serve

from generator import cli, lock, pki, render, store
from generator.cli import images, locking, project, steps
from generator.cli.phases import Phases, show
from generator.definition import Definition
from generator.errors import UserError
from generator.images import catalog
from generator.lock import Base, Lock
from generator.schema import load
from providers import Check, Observed

VERBS = {
    *("init", "validate", "schema", "render", "plan", "apply", "destroy"),
    *("status", "kubeconfig", "ssh", "logs", "images", "doctor", "env", "backend"),
}
HEAVY = {"rich", "pydantic", "ruamel.yaml", "cryptography", "jinja2", "grpc", "boto3", "google.protobuf"}
DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {name: quickstart}
spec:
  etcd: {count: 0}
  masters: {count: 1, size: medium, schedulable: true}
  workers: {count: 1, size: small}
"""
MAIN = """\
resource "terraform_data" "machine" {
  input = "VALUE"
}

output "cluster" {
  value = "quickstart"
}

output "api" {
  value = "URL"
}

variable "secrets" {
  type      = map(string)
  ephemeral = true
  sensitive = true
  default   = {}
}
"""
NODES = [
    {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.35.4"},
        },
    }
    for name in ("master1", "worker-general-1")
]
READY = "anywhere: stage=boot t=9.0\nanywhere: stage=ready t=160.0\n"


class Nowhere:
    """A target whose machines are words."""

    name = "local"
    stock = False
    console = READY
    left = ()

    def preflight(self, definition, topology):
        return (Check("disk", True, "40 GiB free"),)

    def prepare(self, topology, lock, archives, progress):
        pass

    def environment(self):
        return {}

    def observe(self, definition):
        ssh = ("echo", "reached")
        return tuple(Observed(n["metadata"]["name"], True, "127.0.0.1", self.console, ssh) for n in NODES)

    def facts(self, definition):
        return {"zones": ["a"]}

    def base(self, progress):
        return Base("debian-archive", "c" * 64)

    def base_images(self, lock):
        return {}

    def settings(self, definition, lock):
        return {}

    def subnets(self, lock):
        return ()

    def backend(self, definition):
        return None

    def release(self, definition, progress):
        pass

    def leftovers(self, definition):
        return self.left


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has nothing yet."""
    for name in ("ANYWHERE_AGE_KEY", "ANYWHERE_PROVIDER", "ANYWHERE_YES", "ANYWHERE_IMAGES", "ANYWHERE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def definition(home):
    path = home / "cluster.yaml"
    path.write_text(DEFINITION)
    return path


@pytest.fixture
def nowhere(definition, monkeypatch):
    """A cluster with a lock, on a target that is there at once, and an API that knows its nodes."""
    target = Nowhere()
    monkeypatch.setattr(project, "load", lambda name: target)
    monkeypatch.setattr(steps, "get_images", lambda *args: None)
    loaded: Definition = load(definition)
    images = pinned(catalog.wanted(loaded.kubernetes, "flannel"))
    lock.write(
        lock.path_beside(definition), Lock(loaded.kubernetes, "flannel", {"amd64": images}, None, {}, {"local": {}})
    )
    secrets = steps.ensure_secrets(project.open_project(definition, "local", None), show(io.StringIO()))
    server = serve(pki.documents(secrets)["kube-apiserver"], definition.parent)
    nodes = {"/api/v1/nodes?resourceVersion=0": json.dumps({"items": NODES}).encode()}
    monkeypatch.setattr(Api, "answers", Api.answers | nodes)
    text = MAIN.replace("URL", f"https://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(target, "main", text, raising=False)
    monkeypatch.setattr(render, "tree", lambda *args: {"main.tf": target.main.encode()})
    yield target
    server.shutdown()
    server.server_close()


def pinned(wanted):
    return {w.name: lock.Image(w.name, w.ref, "sha256:" + "a" * 64, "b" * 64, 2**20, w.source) for w in wanted}


def run(*words):
    return cli.run([str(word) for word in words])


def test_help_names_every_verb(capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    assert run() == 0


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb, capsys):
    assert run(verb, "--help") == 0
    assert f"anywhere {verb}" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    script = "import sys; from generator import cli; cli.run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stderr.split()) == set()


@pytest.mark.parametrize("words", [["plan", "--nonsense"], ["nonsense"], ["images"], ["plan", "a", "b"]])
def test_a_wrong_command_line_ends_with_1(words, capsys):
    assert run(*words) == 1
    assert "Usage: anywhere" in capsys.readouterr().err


def test_an_error_has_a_message_and_a_hint_and_no_traceback(home, capsys):
    assert run("plan", "absent.yaml") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "absent.yaml" in err and "\nhint: " in err and "Traceback" not in err


def test_a_fault_of_ours_is_one_line_unless_asked(definition, capsys, monkeypatch):
    monkeypatch.setattr(project, "load", lambda name: 1 / 0)
    assert run("status") == 1
    err = capsys.readouterr().err
    assert "unexpected ZeroDivisionError" in err and "ANYWHERE_DEBUG=1" in err and "Traceback" not in err
    monkeypatch.setenv("ANYWHERE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("status")


def test_an_interrupt_ends_with_130_and_says_what_is_kept(definition, capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(project, "load", interrupted)
    assert run("status") == 130
    assert "is kept" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_fault(home):
    done = subprocess.run(f"{sys.executable} -m generator.cli schema | head -c 10", shell=True, capture_output=True)
    assert b"Traceback" not in done.stderr and b"unexpected" not in done.stderr


def test_init_writes_a_valid_definition_once(home, capsys):
    folder = home / "My Cluster 2"
    folder.mkdir()
    assert run("init", folder / "cluster.yaml") == 0
    assert run("validate", folder / "cluster.yaml") == 0
    assert load(folder / "cluster.yaml").name == "my-cluster"
    assert run("init", folder / "cluster.yaml") == 1
    assert "is there already" in capsys.readouterr().err


def test_validate_gives_its_problems_to_machines(definition, capsys):
    definition.write_text(DEFINITION.replace("masters", "mastres"))
    assert run("validate", "--json") == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [p["path"] for p in problems] == ["spec.mastres"] and problems[0]["line"] == 6
    assert run("validate") == 1
    assert "cluster.yaml:6: spec.mastres" in capsys.readouterr().err


def test_init_refuses_what_no_definition_may_have(home, capsys):
    assert run("init", "--name", "My Cluster") == 1
    assert "--name: " in capsys.readouterr().err and not (home / "cluster.yaml").exists()
    assert run("init", "nowhere/cluster.yaml") == 1
    assert "There is no folder nowhere." in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["validate", "render", "plan", "apply", "status", "doctor", "kubeconfig", "destroy", "env"]
)
def test_a_target_that_there_is_not_is_named(definition, home, verb, capsys):
    before = sorted(home.iterdir())
    assert run(verb, "--provider", "azure") == 1
    assert capsys.readouterr().err == "error: There is no provider 'azure'.\nhint: Use one of: local, aws, gce.\n"
    assert sorted(home.iterdir()) == before


def test_before_the_first_apply_verbs_say_so(definition, home, capsys):
    assert run("kubeconfig") == 1
    assert capsys.readouterr().err.endswith("hint: Run `anywhere apply` first.\n")
    for verb in ("ssh", "logs"):
        assert run(verb, "master1") == 1
        assert "There are no machines yet: apply first." in capsys.readouterr().err
    assert run("status") == 1
    assert "It does not exist: `anywhere apply` makes it." in capsys.readouterr().out
    assert run("destroy") == 0
    assert capsys.readouterr().out == "Nothing is left.\n"
    assert not (home / ".anywhere").exists()


def test_git_takes_what_may_be_committed_and_nothing_else(nowhere, home, capsys):
    run("apply", "--yes", "--timeout", "20")
    subprocess.run(["git", "init", "-q", home], check=True)
    listed = ["git", "-C", home, "ls-files", "--others", "--exclude-standard"]
    shown = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    beside = {"cluster.yaml", "cluster.lock.yaml", "cluster.secrets.age"}
    folder = ".anywhere/quickstart-local"
    rendered = {f"{folder}/{name}" for name in (".anywhere-files", ".gitignore", "main.tf")}
    ours = {name for name in shown if name in beside or name.startswith(".anywhere")}
    assert ours == beside | rendered


def test_a_damaged_state_is_named_by_every_verb_that_reads_it(nowhere, home, capsys):
    run("apply", "--yes", "--timeout", "20")
    state = home / ".anywhere" / "quickstart-local" / "terraform.tfstate"
    state.write_text("{")
    for verb in ("render", "plan", "apply", "kubeconfig", "destroy"):
        capsys.readouterr()
        assert run(verb) == 1 and state.read_text() == "{"
        assert f"error: The Terraform state {state} is damaged" in capsys.readouterr().err


def test_a_file_is_no_folder_for_output(nowhere, home, capsys):
    (home / "file").write_text("mine")
    for out in ("file", "file/below"):
        assert run("plan", "--out", home / out) == 1
        assert "is no folder" in capsys.readouterr().err
    assert (home / "file").read_text() == "mine"


def test_the_system_s_errors_come_with_a_remedy(capsys, monkeypatch):
    def fill(*words, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/x")

    monkeypatch.setattr(cli, "app", fill)
    assert run("plan") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error: /cache/x: No space left on device.",
        "hint: Free some space there and run the same command again.",
    ]


APPLY_PHASES = ("render", "initialise Terraform", "plan", "apply", "wait for every machine to be Ready")


@pytest.mark.parametrize("title", APPLY_PHASES)
@pytest.mark.parametrize("moment", ["_enter", "_leave"])
def test_an_apply_interrupted_in_any_phase_goes_on(nowhere, home, title, moment, capsys, monkeypatch):
    usual = getattr(Phases, moment)

    def interrupt(self, said, *rest):
        usual(self, said, *rest)
        if said.startswith(title):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Phases, moment, interrupt)
        assert run("apply", "--yes") == cli.INTERRUPTED
        assert "Interrupted. What was done so far is kept" in capsys.readouterr().err
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert "The cluster is ready." in capsys.readouterr().out
    assert run("plan", "--detailed-exitcode") == 0


def test_the_age_key_that_is_made_is_told_once(definition, home):
    opened, stream = project.open_project(definition, "local", None), io.StringIO()
    steps.ensure_secrets(opened, show(stream))
    key = home / "config" / "anywhere" / "age.key"
    assert f"{key} was made" in stream.getvalue() and "Keep a copy of that key" in stream.getvalue()
    again = io.StringIO()
    steps.ensure_secrets(opened, show(again))
    assert again.getvalue() == ""


def aged(definition, days):
    """Have the bootstrap token of a cluster be that old; the token."""

    def change(secrets):
        made = (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)
        return replace(secrets, token=replace(secrets.token, made=made))

    return store.update(definition, "quickstart", change).token


@pytest.mark.parametrize(
    ("verb", "days", "kept"),
    [
        (("plan",), 6, True),
        (("plan",), 800, True),
        (("render",), 6, True),
        (("render",), 8, False),
        (("env",), 6, True),
        (("env",), 8, False),
        (("apply", "--yes", "--timeout", "20"), 6, True),
        (("apply", "--yes", "--timeout", "20"), 8, False),
    ],
)
def test_only_what_gives_machines_a_token_makes_one_anew(nowhere, definition, verb, days, kept):
    token = aged(definition, days)
    assert run(*verb) == 0
    assert (store.read(definition, "quickstart").token == token) is kept


def test_a_provider_that_is_not_there_is_named(definition, capsys):
    assert run("status", "--provider", "azure") == 1
    assert "no provider 'azure'" in capsys.readouterr().err


def test_plan_says_what_changes_by_exit_status_and_json(nowhere, capsys):
    assert run("plan") == 0
    assert run("plan", "--detailed-exitcode") == 2
    capsys.readouterr()
    assert run("plan", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["changes"] == [{"address": "terraform_data.machine", "action": "create"}]


def test_apply_makes_a_cluster_and_a_second_one_changes_nothing(nowhere, home, capsys):
    assert run("apply", "--yes", "--timeout", "20") == 0
    out = capsys.readouterr().out
    path = home / ".anywhere" / "quickstart-local" / "kubeconfig"
    assert f"export KUBECONFIG={path}" in out and "worker-general-1" in out
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run("plan", "--detailed-exitcode") == 0
    assert run("apply") == 0  # nothing to agree to, so nobody is asked
    assert "No changes" in capsys.readouterr().out
    assert run("status") == 0


def test_nothing_is_applied_where_nobody_agrees(nowhere, home, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run("apply") == 1
    assert "Nothing was changed" in capsys.readouterr().err
    assert not (home / ".anywhere" / "quickstart-local" / "terraform.tfstate").exists()


def test_apply_gives_up_with_the_reason_of_each_machine(nowhere, capsys, monkeypatch):
    nowhere.console = "anywhere: stage=boot t=9.0\nanywhere: failed stage=fetch reason=no route to host\n"
    assert run("apply", "--yes", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert "master1: Stage fetch failed: no route to host." in err and "hint: " in err


def test_destroy_leaves_nothing_or_says_what(nowhere, home, capsys):
    run("apply", "--yes", "--timeout", "20")
    capsys.readouterr()
    assert run("destroy", "--yes") == 0
    out = capsys.readouterr().out
    assert "1 to destroy" in out and "Nothing is left." in out
    assert not (home / ".anywhere" / "quickstart-local" / "kubeconfig").exists()
    nowhere.left = ("process 123: qemu-system-x86_64 master1",)
    assert run("destroy", "--yes") == 1
    assert "process 123" in capsys.readouterr().err


def test_nothing_is_destroyed_where_nobody_agrees(nowhere, home, capsys, monkeypatch):
    run("apply", "--yes", "--timeout", "20")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    state = home / ".anywhere" / "quickstart-local" / "terraform.tfstate"
    before = state.read_bytes()
    assert run("destroy") == 1
    assert "Nothing was changed: nobody is there to agree." in capsys.readouterr().err
    assert state.read_bytes() == before


def test_the_folder_of_another_cluster_is_refused(nowhere, home, definition, capsys):
    run("apply", "--yes", "--timeout", "20")
    definition.write_text(DEFINITION.replace("quickstart", "other"))
    (home / "cluster.secrets.age").unlink()
    assert run("plan", "--out", home / ".anywhere" / "quickstart-local") == 1
    assert "holds the Terraform state of cluster 'quickstart'" in capsys.readouterr().err


def test_a_lock_of_another_version_is_refused(nowhere, definition, capsys):
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), kubernetes="v1.34.0"))
    assert run("plan") == 1
    assert "anywhere images lock" in capsys.readouterr().err


def test_status_tells_machines_and_certificates_to_machines(nowhere, capsys):
    run("apply", "--yes", "--timeout", "20")
    capsys.readouterr()
    nowhere.console = READY + "anywhere: failed stage=kubelet reason=disk full\n"
    assert run("status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [m["machine"] for m in document["machines"]] == ["master1", "worker-general-1"]
    assert {"kubernetes CA", "kube-apiserver"} <= {c["certificate"] for c in document["certificates"]}


def test_doctor_says_why_a_machine_is_not_ready(nowhere, capsys):
    nowhere.console = "anywhere: stage=boot t=9.0\nanywhere: failed stage=images reason=disk full\n"
    assert run("doctor") == 1
    out = capsys.readouterr().out
    assert "ok    terraform: " in out and "FAIL  master1" in out and "images failed: disk full" in out


def test_env_is_what_plain_terraform_needs(nowhere, home, capsys):
    assert run("env") == 0
    shell = capsys.readouterr().out + "printenv TF_VAR_secrets"
    value = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert set(json.loads(value)) >= {"etcd", "kube-apiserver", "kubelet", "weave"}


def test_a_target_that_is_not_fit_refuses_apply_and_says_all_of_it(nowhere, home, capsys, monkeypatch):
    unfit = (
        Check("credentials", False, "There are none", "Sign in.", needed=True),
        Check("quota", False, "2 vCPUs are missing", "Ask for more.", needed=True),
        Check("bucket", False, "It may be slow", "Wait."),
    )
    monkeypatch.setattr(nowhere, "preflight", lambda *args: unfit, raising=False)
    assert run("apply", "--yes") == 1
    err = capsys.readouterr().err
    assert "  credentials: There are none. Sign in.\n  quota: 2 vCPUs are missing. Ask for more.\n" in err
    assert "bucket" not in err.split("error:")[1] and "hint: Nothing was changed." in err
    assert not (home / ".anywhere" / "quickstart-local" / "terraform.tfstate").exists()
    assert run("plan") == 0  # which only says so


def test_a_definition_without_backend_has_none_to_make(nowhere, capsys):
    assert run("backend", "create", "--provider", "local") == 1
    assert "names no backend for local" in capsys.readouterr().err


def test_logs_and_ssh_name_a_machine(nowhere, capsys):
    assert run("logs", "master1") == 0
    assert "stage=ready" in capsys.readouterr().out
    assert run("logs", "cluster.yaml", "master9") == 1
    assert "There are: master1, worker-general-1." in capsys.readouterr().err
    assert run("logs") == 1


def test_ssh_becomes_the_command_of_the_target(nowhere, monkeypatch):
    called = []
    monkeypatch.setattr(os, "execvp", lambda program, words: called.append(words))
    run("ssh", "cluster.yaml", "master1", "--", "uptime", "-p")
    assert called == [["echo", "reached", "uptime", "-p"]]


def test_images_are_listed_from_the_lock(nowhere, definition, capsys):
    assert run("images", "list") == 0
    assert "anywhere.local/etcd:v3.6.6" in capsys.readouterr().out
    assert run("images", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["images"]
    assert {i["name"] for i in listed} == {w.name for w in catalog.wanted("v1.35.4", "flannel")}
    assert listed[0]["archive"] == "b" * 64 and listed[0]["mirror"] is None


def test_images_of_a_mirror_are_listed_as_machines_pull_them(nowhere, definition, capsys):
    definition.write_text(DEFINITION + "  registry: registry.example.com/k8s\n")
    assert run("images", "list", "--json") == 0
    mirrors = {i["name"]: i["mirror"] for i in json.loads(capsys.readouterr().out)["images"]}
    assert mirrors["etcd"] == "registry.example.com/k8s/etcd:v3.6.6"
    assert images.mirrored("docker.io/rajchaudhuri/weave:2.9.0", "r.io") == "r.io/rajchaudhuri/weave:2.9.0"


@pytest.mark.parametrize("verb", ["plan", "render", "apply", ("images", "list"), ("images", "pull")])
def test_a_lock_without_an_image_is_refused(nowhere, definition, verb, capsys):
    path = lock.path_beside(definition)
    whole = lock.read(path)
    left = {n: i for n, i in whole.images["amd64"].items() if n not in ("etcd", "pause")}
    lock.write(path, replace(whole, images={"amd64": left}))
    assert run(*([verb] if isinstance(verb, str) else verb)) == 1
    err = capsys.readouterr().err
    assert "the lock has no image called etcd, pause" in err and "anywhere images lock" in err


def test_a_damaged_lock_is_to_be_restored(nowhere, definition, capsys):
    path = lock.path_beside(definition)
    path.write_text("blocks: [")
    assert run("plan") == 1 and path.read_text() == "blocks: ["
    err = capsys.readouterr().err
    assert "cluster.lock.yaml:1" in err and "hint: Restore cluster.lock.yaml from git" in err


def test_a_user_error_is_printed_in_one_place(capsys, monkeypatch):
    def refuse(*words, **options):
        raise UserError("No.", "Ask again.")

    monkeypatch.setattr(cli, "app", refuse)
    assert run("plan") == 1
    assert capsys.readouterr().err == "error: No.\nhint: Ask again.\n"


def test_progress_goes_to_standard_error(nowhere, capsys):
    run("plan", "--json")
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert show().__class__.__name__ == "Phases"


def keys(document):
    """Every key in a JSON document, but those of `counts`, which are actions."""
    if isinstance(document, list):
        return set().union(*map(keys, document)) if document else set()
    if not isinstance(document, dict):
        return set()
    return document.keys() | set().union(*(keys(v) for k, v in document.items() if k != "counts"))


def test_what_programs_get_is_documented(nowhere, definition, capsys):
    text = (Path(__file__).parent.parent / "docs" / "operations.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    documented = {verb.strip(" `"): set(re.findall(r"`(\w+)`", said)) for _, verb, said, _ in rows}
    run("apply", "--yes", "--timeout", "20")
    for verb in ("plan", "status", "doctor", "images list"):
        capsys.readouterr()
        nowhere.main = nowhere.main.replace("VALUE", "OTHER")
        assert run(*verb.split(), "--json") == 0
        given = keys(json.loads(capsys.readouterr().out))
        assert given == documented.pop(verb)
    definition.write_text(DEFINITION.replace("masters", "mastres"))
    assert run("validate", "--json") == 1
    assert keys(json.loads(capsys.readouterr().out)) == documented.pop("validate")
    assert documented == {}


def chosen(definition, known=None):
    stream = io.StringIO()
    return locking.choose_driver(load(definition), known, show(stream)), stream.getvalue()


def test_the_driver_is_weave_where_its_images_can_be_had(definition, monkeypatch):
    monkeypatch.setattr(locking.image_cache, "available", lambda *args: True)
    assert chosen(definition) == ("weave", "")


def test_else_it_is_flannel_with_a_warning_that_says_how_to_have_weave(definition, monkeypatch):
    monkeypatch.setattr(locking.image_cache, "available", lambda image, *rest: "npc" not in image.ref)
    driver, said = chosen(definition)
    assert driver == "flannel"
    assert "warning: docker.io/rajchaudhuri/weave-npc" in said and "ANYWHERE_IMAGES" in said


def test_the_driver_is_decided_once_and_the_definition_decides_first(definition, monkeypatch):
    monkeypatch.setattr(locking.image_cache, "available", lambda *args: True)
    known = Lock("v1.35.4", "flannel", {}, None, {}, {})
    assert chosen(definition, known)[0] == "flannel"
    definition.write_text(DEFINITION + "  network: {driver: weave}\n")
    assert chosen(definition, known)[0] == "weave"


def test_images_lock_pins_images_base_and_addresses(nowhere, definition, monkeypatch, capsys):
    monkeypatch.setattr(locking.image_cache, "resolve", lambda wanted, *rest: pinned(wanted))
    path = lock.path_beside(definition)
    path.unlink()
    assert run("plan") == 0  # makes it the first time
    made = lock.read(path)
    assert {"hyperkube", "etcd", "pause"} <= made.images["amd64"].keys()
    assert made.base == Base("debian-archive", "c" * 64) and made.blocks == {"general": 0}
    assert made.facts == {"local": {"zones": ["a"]}}
    assert run("images", "lock") == 0
    assert lock.read(path) == made
