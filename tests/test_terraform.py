"""The Terraform seam, against the real program and its built-in `terraform_data` resource (no network)."""

import fcntl
import json
import stat
import sys
from pathlib import Path

import pytest
import python_terraform

from generator import terraform_binary, terraform_state
from generator.errors import UserError
from generator.terraform import PLAN_FILES, Change, Terraform
from generator.terraform_command import command_line
from generator.terraform_messages import explain

CONFIGURATION = """\
variable "secrets" {
  type      = map(string)
  ephemeral = true
  sensitive = true
  default   = {}
}

variable "word" {
  type    = string
  default = "one"
}

resource "terraform_data" "word" {
  input = var.word
}

output "cluster" {
  value = "quickstart"
}

output "api" {
  value = terraform_data.word.output
}
"""


class Recorder:
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "rendered"
    folder.mkdir()
    (folder / "main.tf").write_text(CONFIGURATION)
    return folder


@pytest.fixture
def runner(folder, tmp_path):
    runner = Terraform(folder, tmp_path / "cache", Recorder())
    runner.init()
    return runner


def test_a_plan_is_saved_applied_and_then_empty(runner, folder):
    plan = runner.plan({"etcd": "hidden"})
    assert plan.changes == (Change("terraform_data.word", "create"),)
    assert plan.counts() == {"create": 1} and not plan.empty
    runner.apply(plan, {"etcd": "hidden"})
    assert runner.outputs() == {"cluster": "quickstart", "api": "one"}
    assert runner.plan({"etcd": "hidden"}).empty
    assert any("terraform_data.word: create done" in line for line in runner._progress.lines)
    assert "hidden" not in "".join(f.read_text(errors="ignore") for f in folder.rglob("*") if f.is_file())


def test_the_saved_plan_is_what_is_applied(runner, folder):
    plan = runner.plan({})
    (folder / "main.tf").write_text(CONFIGURATION.replace('"one"', '"two"'))
    runner.apply(plan, {})
    assert runner.outputs()["api"] == "one"
    assert not list(folder.glob(PLAN_FILES))


def test_destroy_is_a_plan_of_its_own(runner, folder):
    runner.apply(runner.plan({}), {})
    plan = runner.plan_destroy({})
    assert plan.changes == (Change("terraform_data.word", "delete"),)
    runner.apply(plan, {})
    assert terraform_state.read(folder / "terraform.tfstate")["resources"] == []
    assert runner.plan_destroy({}).empty


def test_init_is_skipped_until_something_it_depends_on_changes(folder, runner, monkeypatch):
    ran = []
    monkeypatch.setattr(runner, "_run", lambda words, *rest: ran.append(words))
    runner.init()
    assert ran == []
    (folder / "versions.tf").write_text('terraform {\n  required_version = ">= 1.11"\n}\n')
    runner.init()
    assert ran == [["init"]]


def test_a_diagnostic_becomes_an_error_with_its_place(folder, runner):
    (folder / "main.tf").write_text('resource "terraform_data" "x" {\n  input = var.nowhere\n}\n')
    with pytest.raises(UserError, match=r"main\.tf:2: Reference to undeclared input variable"):
        runner.plan({})
    with pytest.raises(UserError, match="undeclared"):
        runner.validate()


def test_a_configuration_that_does_not_parse_is_an_error(folder, tmp_path):
    (folder / "main.tf").write_text("resource {")
    with pytest.raises(UserError, match=r"Terraform failed: (?s:.*)main\.tf"):
        Terraform(folder, tmp_path / "cache", Recorder()).init()


def test_providers_that_cannot_be_downloaded_have_a_remedy(folder, tmp_path, monkeypatch):
    source = "registry.invalid/example/nothing"  # no registry has this name
    wanted = f'required_providers {{\n    n = {{ source = "{source}" }}\n  }}'
    (folder / "main.tf").write_text(f"terraform {{\n  {wanted}\n}}\n")
    with pytest.raises(UserError) as caught:
        Terraform(folder, tmp_path / "cache", Recorder()).init()
    assert source in caught.value.message and "terraform providers mirror ~/.terraform.d/plugins" in caught.value.hint
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / ".terraform.d/plugins" / source / "1.0.0/linux_amd64/terraform-provider-nothing_v1.0.0"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    Terraform(folder, tmp_path / "cache", Recorder()).init()


def test_the_workspace_of_a_folder_does_not_matter(folder, tmp_path):
    runner = Terraform(folder, tmp_path / "cache", Recorder())
    runner.init()
    (folder / ".terraform" / "environment").write_text("other")
    runner.apply(runner.plan({}), {})
    assert (
        terraform_state.read(folder / "terraform.tfstate")["resources"]
        and not (folder / "terraform.tfstate.d").exists()
    )


def test_broken_settings_of_the_user_do_not_matter(folder, tmp_path, monkeypatch):
    (tmp_path / ".terraformrc").write_text("this is { not HCL")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / ".terraformrc"))
    monkeypatch.setenv("TF_CLI_ARGS", "-nonsense")
    monkeypatch.setenv("TF_WORKSPACE", "other")
    runner = Terraform(folder, tmp_path / "cache", Recorder())
    runner.init()
    assert runner.plan({}).changes


def test_the_state_of_another_cluster_is_refused(runner):
    runner.apply(runner.plan({}), {})
    runner.check_state("quickstart")
    with pytest.raises(UserError, match="cluster 'quickstart', not of 'other'"):
        runner.check_state("other")


def test_a_damaged_state_is_named_and_left_alone(runner, folder):
    (folder / "terraform.tfstate").write_text('{"version": 4, ')
    with pytest.raises(UserError, match=r"terraform\.tfstate is damaged"):
        runner.check_state("quickstart")
    assert (folder / "terraform.tfstate").read_text() == '{"version": 4, '


def test_a_state_without_a_byte_is_an_empty_one(runner, folder):
    (folder / "terraform.tfstate").touch()
    runner.check_state("quickstart")
    assert terraform_state.read(folder / "terraform.tfstate") == {}
    runner.apply(runner.plan({}), {})
    assert terraform_state.read(folder / "terraform.tfstate")["resources"]


def test_each_plan_has_a_file_of_its_own_that_only_its_owner_reads(runner, folder):
    first, second = runner.plan({}), runner.plan({})
    assert first.file != second.file
    assert {stat.S_IMODE(plan.file.stat().st_mode) for plan in (first, second)} == {0o600}
    (folder / "main.tf").write_text("resource {")
    with pytest.raises(UserError):
        runner.plan({})
    assert sorted(folder.glob(PLAN_FILES)) == sorted([first.file, second.file])


def test_a_damaged_state_is_to_be_put_back_only_where_there_is_another(runner, folder):
    (folder / "terraform.tfstate").write_text("{")
    with pytest.raises(UserError) as caught:
        runner.check_state("quickstart")
    assert "terraform.tfstate.backup" not in caught.value.hint and "from a backup" in caught.value.hint
    (folder / "terraform.tfstate.backup").write_text("{}")
    with pytest.raises(UserError) as caught:
        runner.check_state("quickstart")
    state = folder / "terraform.tfstate"
    assert f"`cp {state}.backup {state}`" in caught.value.hint


def test_a_folder_at_work_is_to_be_waited_for(runner, folder):
    runner.apply(runner.plan({}), {})
    with (folder / "terraform.tfstate").open("r+") as state:
        fcntl.lockf(state, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="acquiring the state lock") as caught:
            runner.plan({})
    assert "wait until it has ended" in caught.value.hint


@pytest.mark.parametrize("begun_anew", [False, True])
def test_a_plan_is_out_of_date_where_another_run_was_faster(runner, folder, begun_anew):
    """Also where the other run made a state of its own, whose serial may be the same."""
    runner.apply(runner.plan({}), {})
    (folder / "main.tf").write_text(CONFIGURATION.replace('"one"', '"two"'))
    late, faster = runner.plan({}), runner.plan({})
    if begun_anew:
        (folder / "terraform.tfstate").unlink()
        faster = runner.plan({})
    runner.apply(faster, {})
    before = (folder / "terraform.tfstate").read_bytes()
    with pytest.raises(UserError, match="is out of date: the state changed after it was made") as caught:
        runner.apply(late, {})
    assert "Plan again" in caught.value.hint and (folder / "terraform.tfstate").read_bytes() == before


def test_what_is_protected_is_named_without_the_advice_to_lift_that(runner, folder):
    """Terraform would have the guard taken out of the module."""
    kept = 'resource "terraform_data" "kept" {\n  for_each = %s\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
    (folder / "main.tf").write_text(CONFIGURATION + kept % 'toset(["etcd1", "etcd4", "etcd5"])')
    runner.apply(runner.plan({}), {})
    (folder / "main.tf").write_text(CONFIGURATION + kept % 'toset(["etcd1"])')
    with pytest.raises(UserError) as caught:
        runner.plan({})
    assert caught.value.message == ('This plan destroys terraform_data.kept["etcd4"], terraform_data.kept["etcd5"].')
    assert caught.value.hint == "Nothing was changed. To allow it, add --may-destroy etcd4 --may-destroy etcd5."


def fake(folder, name, version):
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{json.dumps({'terraform_version': version})}'\n")
    program.chmod(0o755)
    return program


def test_a_program_that_is_too_old_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"version 1\.5\.7; 1\.11 or newer"):
        terraform_binary.Binary(fake(tmp_path, "terraform", "1.5.7")).check()
    terraform_binary.Binary(fake(tmp_path, "tofu", "1.11.0-rc1")).check()


def test_tofu_is_taken_where_terraform_is_too_old(tmp_path):
    fake(tmp_path, "terraform", "1.5.7")
    tofu = fake(tmp_path, "tofu", "1.11.2")
    assert terraform_binary.find({"PATH": str(tmp_path)}).path == tofu


def test_the_chosen_program_comes_first_and_must_be_there(tmp_path):
    chosen = fake(tmp_path, "mine", "1.11.0")
    assert terraform_binary.find({"PATH": "", "ANYWHERE_TERRAFORM": str(chosen)}).path == chosen
    with pytest.raises(UserError, match="not an executable"):
        terraform_binary.find({"ANYWHERE_TERRAFORM": str(tmp_path / "absent")})


def test_none_at_all_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UserError) as caught:
        terraform_binary.find({"PATH": str(tmp_path)})
    assert "make setup" in caught.value.hint


def test_a_program_that_answers_nonsense_is_refused(tmp_path):
    program = tmp_path / "terraform"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(UserError, match="does not answer as Terraform"):
        terraform_binary.Binary(program).check()


def test_a_diagnostic_is_explained_with_its_detail():
    diagnostic = {
        "summary": "Port taken",
        "detail": "2222 is in use.\nChoose another.",
        "address": "anywhere_machine.x",
    }
    assert explain(diagnostic) == "anywhere_machine.x: Port taken\n  2222 is in use.\n  Choose another."


def test_a_plan_of_one_address_leaves_the_others_and_gives_no_warning(folder, runner):
    words = 'resource "terraform_data" "words" {\n  for_each = toset(["etcd1", "etcd2"])\n  input    = each.key\n}\n'
    (folder / "main.tf").write_text(CONFIGURATION + words)
    address = 'terraform_data.words["etcd1"]'
    part = runner.plan({}, [address])
    assert part.changes == (Change(address, "create"),)
    runner.apply(part, {})
    assert not any("warning" in line for line in runner._progress.lines)
    assert Change(address, "create") not in runner.plan({}).changes


@pytest.mark.parametrize("name", ["terraform.tfstate", ".terraform/terraform.tfstate"])
def test_a_state_that_python_terraform_would_read_is_not_looked_at(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('{"version": 4, ')  # cut short
    with pytest.raises(ValueError):
        python_terraform.Terraform()
    assert command_line(Path("tofu"), ["plan", "x"], {"input": "false", "json": True, "target": ["a", "b"]}) == [
        *("tofu", "plan", "-input=false", "-json", "-target=a", "-target=b", "x")
    ]


EVIL = """#!/bin/sh
env >{said}
exit 1
"""


def test_programs_that_a_folder_brings_are_not_run(folder, runner, tmp_path):
    """A folder may come from git with providers in it, and even with the mark that it was initialised."""
    runner.init()
    stamp = folder / ".terraform" / "anywhere-init"
    mark = stamp.read_text()
    evil = (
        folder / ".terraform" / "providers" / "registry.terraform.io" / "hashicorp" / "null" / "1.0.0" / "linux_amd64"
    )
    evil.mkdir(parents=True)
    (evil / "terraform-provider-null_v1.0.0").write_text(EVIL.format(said=tmp_path / "said"))
    elsewhere = Terraform(folder, tmp_path / "another-cache", runner._progress)
    elsewhere.init()
    assert stamp.read_text() != mark
    assert not evil.exists()
