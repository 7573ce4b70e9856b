"""A cluster from the command line: plan, apply, destroy, and what is said of it."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from generator import cli, command
from generator.cli.phases import Phases, show
from generator.operations import cluster_secrets, project
from providers import Check
from tests.cli.target import DEFINITION, READY, run

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
APPLY_PHASES = (
    "render",
    "initialise Terraform",
    "plan",
    "apply",
    "wait for every machine to be Ready",
    "wait until the cluster works",
)


def test_before_the_first_apply_verbs_say_so(definition, home, capsys):
    assert run("kubeconfig") == 1
    assert capsys.readouterr().err.endswith("hint: Run `anywhere apply` first.\n")
    for verb in ("ssh", "logs"):
        assert run(verb, "master1") == 1
        assert "It has no machines: `anywhere apply` creates them." in capsys.readouterr().err
    assert run("status") == 1
    assert "It does not exist. Run `anywhere apply` to create it." in capsys.readouterr().out
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
    rendered = {f"{folder}/{name}" for name in (".anywhere-files", ".gitignore", "machines.tf")}
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
    cluster_secrets.keep(opened, cluster_secrets.prepare(opened, None), show(stream))
    key = home / "config" / "anywhere" / "age.key"
    assert f"{key} was made" in stream.getvalue() and "Keep a copy of that key" in stream.getvalue()
    again = io.StringIO()
    cluster_secrets.keep(opened, cluster_secrets.prepare(opened, None), show(again))
    assert again.getvalue() == ""


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
    assert "Nothing was changed: there is no terminal to ask for approval on." in capsys.readouterr().err
    assert state.read_bytes() == before


def test_the_folder_of_another_cluster_is_refused(nowhere, home, definition, capsys):
    run("apply", "--yes", "--timeout", "20")
    definition.write_text(DEFINITION.replace("quickstart", "other"))
    assert run("plan", "--out", home / ".anywhere" / "quickstart-local") == 1
    assert "holds the Terraform state of cluster 'quickstart'" in capsys.readouterr().err


def test_status_tells_machines_and_certificates_to_machines(nowhere, capsys):
    run("apply", "--yes", "--timeout", "20")
    capsys.readouterr()
    nowhere.console = READY + "anywhere: failed stage=kubelet reason=disk full\n"
    assert run("status", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [m["machine"] for m in document["machines"]] == ["master1", "worker-general-1"]
    assert {"kubernetes CA", "kube-apiserver"} <= {c["certificate"] for c in document["certificates"]}


def test_without_a_kubeconfig_status_says_that_the_api_was_not_asked(nowhere, home, capsys):
    run("apply", "--yes", "--timeout", "20")
    (home / ".anywhere" / "quickstart-local" / "kubeconfig").unlink()
    capsys.readouterr()
    assert run("status") == 1
    out = capsys.readouterr().out
    assert "FAIL  API: It was not asked, as there is no " in out and "`anywhere kubeconfig` writes it" in out
    assert "its node is not Ready" not in out and re.search(r"master1 +master +running +ready +- ", out)


def test_status_names_no_worker_where_the_target_does(nowhere, definition, capsys, monkeypatch):
    definition.write_text(DEFINITION.replace("workers: {count: 1", "workers: {count: 2"))
    run("status")
    assert "worker-general-2  worker  missing" in capsys.readouterr().out
    monkeypatch.setattr(nowhere, "manages_workers", True)
    monkeypatch.setattr(nowhere, "observe", lambda definition: (), raising=False)
    run("status")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["master1", "worker-general-?", "worker-general-?"]
    assert re.search(r"missing +- +no +- +- +Its instance group creates it", lines[2])


def test_doctor_says_why_a_machine_is_not_ready(nowhere, capsys):
    nowhere.console = "anywhere: stage=boot t=9.0\nanywhere: failed stage=images reason=disk full\n"
    assert run("doctor") == 1
    out = capsys.readouterr().out
    assert "ok    terraform: " in out and "FAIL  master1" in out and "images failed: disk full" in out


@pytest.mark.parametrize(("needed", "word", "status"), [(False, "warn", 0), (True, "FAIL", 1)])
def test_doctor_fails_only_for_what_matters(nowhere, capsys, monkeypatch, needed, word, status):
    run("apply", "--yes", "--timeout", "20")
    doubt = Check("quota", False, "It may not be read", "Ask for the right to.", needed)
    monkeypatch.setattr(nowhere, "preflight", lambda *args: (doubt,), raising=False)
    capsys.readouterr()
    assert run("doctor") == status
    out = capsys.readouterr().out
    assert f"{word}  quota: It may not be read\n      Ask for the right to.\n" in out
    assert ("ok    master1" in out) is not needed  # machines are looked at where their target can be asked


def test_apply_warns_of_what_does_not_stop_it(nowhere, capsys, monkeypatch):
    doubt = Check("quota", False, "It may not be read", "Ask for the right to.", needed=False)
    monkeypatch.setattr(nowhere, "preflight", lambda *args: (doubt,), raising=False)
    assert run("apply", "--yes", "--timeout", "20") == 0
    assert "warning: quota: It may not be read. Ask for the right to." in capsys.readouterr().err


def test_doctor_names_what_building_the_images_takes(nowhere, capsys, monkeypatch):
    monkeypatch.setattr(command, "SBIN", "")
    monkeypatch.setenv("PATH", "/nowhere")
    assert run("doctor") == 1
    out = capsys.readouterr().out
    assert "FAIL  container images: anywhere.local/hyperkube:" in out and "mmdebstrap" in out


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
    assert "There is no backend for local: its state stays in the rendered folder." in capsys.readouterr().err


def test_logs_and_ssh_name_a_machine(nowhere, capsys):
    assert run("logs", "master1") == 0
    assert "stage=ready" in capsys.readouterr().out
    assert run("logs", "cluster.yaml", "master9") == 1
    assert "There are: master1, worker-general-1." in capsys.readouterr().err
    assert run("logs") == 1


def test_ssh_becomes_the_command_of_the_target(nowhere, monkeypatch):
    called = []
    monkeypatch.setattr(os, "execv", lambda program, words: called.append(words))
    run("ssh", "cluster.yaml", "master1", "--", "uptime", "-p")
    assert called == [["echo", "reached", "uptime", "-p"]]


def test_ssh_says_how_to_be_let_in_where_the_definition_names_no_key(nowhere, definition, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(os, "execv", lambda program, words: called.append(words))
    run("ssh", "master1")
    err = capsys.readouterr().err
    assert "warning: the definition names no key" in err and "spec.access.ssh_keys in cluster.yaml and run" in err
    definition.write_text(DEFINITION + f"  access: {{ssh_keys: ['ssh-ed25519 {KEY} me']}}\n")
    run("ssh", "master1")
    assert capsys.readouterr().err == "" and len(called) == 2


def test_ssh_names_the_program_that_the_target_takes(nowhere, monkeypatch, capsys):
    seen = tuple(replace(machine, ssh=("gcloud", "ssh")) for machine in nowhere.observe(None))
    monkeypatch.setattr(nowhere, "observe", lambda definition: seen, raising=False)
    monkeypatch.setenv("PATH", "")
    assert run("ssh", "master1") == 1
    assert "gcloud is not installed.\nhint: Install it: apt-get install google-cloud-cli." in capsys.readouterr().err


def test_ssh_to_a_target_that_lets_nobody_in_says_why(nowhere, monkeypatch, capsys):
    seen = tuple(replace(machine, ssh=()) for machine in nowhere.observe(None))
    monkeypatch.setattr(nowhere, "observe", lambda definition: seen, raising=False)
    assert run("ssh", "master1") == 1
    err = capsys.readouterr().err
    assert "master1 cannot be reached by ssh: the definition names no key" in err and "spec.access.ssh_keys" in err
