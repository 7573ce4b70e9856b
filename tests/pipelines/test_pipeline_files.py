"""The files that are copied into a repository of definitions: workflows, .gitlab-ci.yml, Renovate, Dependabot."""

import json
import re
import subprocess
import sys

import pytest
from google.auth import identity_pool
from ruamel.yaml import YAML

from generator import __version__
from generator.definition import NEWEST
from generator.schema import load
from tests import golden
from tests.pipelines import PIPELINES, STEPS

WORKFLOWS = sorted((PIPELINES / "github" / ".github" / "workflows").glob("*.yml"))
GITLAB = PIPELINES / "gitlab" / ".gitlab-ci.yml"


def parsed(path):
    yaml = YAML(typ="safe")
    yaml.constructor.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))
    return yaml.load(path)


def jobs():
    for path in WORKFLOWS:
        for name, job in parsed(path)["jobs"].items():
            yield pytest.param(path.name, job, id=f"{path.stem}-{name}")


each_job = pytest.mark.parametrize(("file", "job"), [*jobs()])


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def gitlab_commands():
    for job in parsed(GITLAB).values():
        for key in ("before_script", "script"):
            yield from (line for line in (job.get(key, ()) if isinstance(job, dict) else ()) if isinstance(line, str))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        *(("github-workflows", path) for path in WORKFLOWS),
        ("gitlab-ci", GITLAB),
        ("dependabot", PIPELINES / "dependabot.yml"),
        ("renovate", PIPELINES / "renovate.json"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_file_is_of_its_schema(schema, path):
    """Of the schemas that check-jsonschema brings."""
    transform = ["--data-transform", "gitlab-ci"] if schema == "gitlab-ci" else []
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *transform, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_step_that_is_called_is_there_and_each_is_called():
    lines = [line for path in WORKFLOWS for job in parsed(path)["jobs"].values() for line in commands(job)]
    lines += gitlab_commands()
    called = {name for line in lines for name in re.findall(r"steps/([\w.-]+)", line)}
    sourced = {"common.sh", "github.sh", "gitlab.sh"}
    assert called | {"reviewed.sh"} == {path.name for path in STEPS.glob("*.sh")} - sourced  # apply.sh calls that one
    assert all((STEPS / name).stat().st_mode & 0o111 for name in called)


@each_job
def test_what_a_workflow_runs_is_a_line_and_takes_nothing_from_outside_but_by_environment(file, job):
    """What a pull request is called, or an input says, would be a command in a line that it is written into."""
    assert [line for line in commands(job) if "\n" in line.strip() or "${{" in line] == []


@each_job
def test_actions_are_pinned_by_commit(file, job):
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


@each_job
def test_a_job_may_do_no_more_than_it_must(file, job):
    may = {name for name, access in job["permissions"].items() if access == "write"} - {"id-token"}
    scripts = " ".join(commands(job))
    needed = {
        "pull-requests": "comment.sh" in scripts,
        "contents": "writeback.sh" in scripts,
        "issues": "drift.sh" in scripts,
    }
    assert may == {name for name, does in needed.items() if does}
    assert parsed(PIPELINES / "github" / ".github" / "workflows" / file)["permissions"] == {}


def test_the_readme_says_what_each_workflow_may_do():
    cells = [
        line.strip("|").split("|") for line in (PIPELINES / "README.md").read_text().splitlines() if ".yml` |" in line
    ]
    said = {
        row[0].strip(" `"): [set(re.findall(r"`([^`]+)`", cell)) for cell in row[2:]] for row in cells if len(row) == 5
    }
    assert said.keys() == {path.name for path in WORKFLOWS}
    for path in WORKFLOWS:
        found = parsed(path)["jobs"].values()
        permissions = {f"{name}: {access}" for job in found for name, access in job["permissions"].items()}
        secrets = set(re.findall(r"secrets\.(\w+)", path.read_text()))
        environments = {job["environment"] for job in found if "environment" in job}
        assert said[path.name] == [environments, permissions, secrets]


def test_only_what_applies_may_have_a_longer_session():
    lengths = {}
    for path in WORKFLOWS:
        for job in parsed(path)["jobs"].values():
            for step in job["steps"]:
                if role := step.get("with", {}).get("role-to-assume"):
                    lengths.setdefault(role, set()).add(step["with"].get("role-duration-seconds"))
    assert lengths == {
        "${{ vars.AWS_PLAN_ROLE }}": {None},
        "${{ vars.AWS_APPLY_ROLE }}": {"${{ vars.AWS_APPLY_SECONDS || 3600 }}"},
    }
    assert parsed(GITLAB)[".apply"]["timeout"] == "3 hours"


def test_a_fork_gets_neither_a_cloud_nor_a_secret():
    found = parsed(WORKFLOWS[0].with_name("plan.yml"))
    assert list(found["on"]) == ["pull_request"]  # pull_request_target would hand the repository's secrets to a fork
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert "secrets." not in json.dumps(found)
    assert [name for name, job in found["jobs"].items() if "id-token" in job["permissions"]] == ["plan"]
    assert found["jobs"]["plan"]["if"] == own and found["jobs"]["comment"]["needs"] == "plan"
    assert parsed(GITLAB)["plan"]["rules"][0]["if"].endswith("SOURCE_PROJECT_ID == $CI_PROJECT_ID")


@each_job
def test_what_holds_the_state_is_never_cancelled(file, job):
    if "id-token" in job["permissions"]:
        assert job["concurrency"]["cancel-in-progress"] is False
    if file != "plan.yml":
        assert job["concurrency"]["group"] == "apply-${{ vars.DEFINITION }}-${{ vars.ANYWHERE_PROVIDER }}"
        assert job["concurrency"]["queue"] == "max"  # else the second that waits takes the place of the first


def test_a_store_that_could_not_be_pushed_is_uploaded():
    writing = [
        job["steps"] for path in WORKFLOWS for job in parsed(path)["jobs"].values() if "writeback.sh" in str(job)
    ]
    assert len(writing) == 3
    for steps in writing:
        (at,) = [at for at, step in enumerate(steps) if "writeback.sh" in step.get("run", "")]
        uploads = [step["if"] for step in steps[at:] if step.get("with", {}).get("path") == "kept/"]
        assert (steps[at]["if"], uploads) == ("always()", ["always()"])


def test_gitlab_writes_back_where_a_failure_fails_the_job():
    found = parsed(GITLAB)
    assert "after_script" not in GITLAB.read_text().replace("`after_script`", "")
    for name in (".apply", "replan"):
        job = found[name]
        assert [".write-back", "script"] in job["script"] and job["artifacts"]["when"] == "always"
        assert "kept/" in job["artifacts"]["paths"]
    assert all(
        found[name]["resource_group"] == "$DEFINITION-$ANYWHERE_PROVIDER" for name in (".apply", "replan", "drift")
    )
    assert not any(job.get("interruptible") for job in found.values() if isinstance(job, dict))


def test_gitlab_s_token_of_a_job_is_taken_by_google(tmp_path):
    file = tmp_path / "identity.json"
    environment = {"PATH": "/usr/bin:/bin", "ANYWHERE_PROVIDER": "gce", "IDENTITY_TOKEN": "a.b.c"}
    environment |= {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "GCE_ACCOUNT": "apply@galaxy.iam.gserviceaccount.com"}
    environment |= {"GCE_IDENTITY_PROVIDER": "projects/1/locations/global/workloadIdentityPools/ci/providers/gitlab"}
    subprocess.run([STEPS / "identity.sh"], env=environment, check=True)
    credentials = identity_pool.Credentials.from_file(str(file))
    assert credentials.service_account_email == "apply@galaxy.iam.gserviceaccount.com"
    assert credentials.retrieve_subject_token(None) == "a.b.c" and file.stat().st_mode & 0o077 == 0


def test_gitlab_s_token_of_a_job_is_where_aws_looks(tmp_path):
    file = tmp_path / "token"
    environment = {"PATH": "/usr/bin:/bin", "ANYWHERE_PROVIDER": "aws", "IDENTITY_TOKEN": "a.b.c"}
    subprocess.run([STEPS / "identity.sh"], env=environment | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}, check=True)
    assert file.read_text() == "a.b.c" and file.stat().st_mode & 0o077 == 0


# Renovate

RENOVATE = json.loads((PIPELINES / "renovate.json").read_text())
(MANAGER,), (RULE,) = RENOVATE["customManagers"], RENOVATE["packageRules"]


def javascript(pattern):
    return re.compile(pattern.replace("(?<", "(?P<"))


def found(text):
    return [m["currentValue"] for pattern in MANAGER["matchStrings"] for m in javascript(pattern).finditer(text)]


@pytest.mark.parametrize(
    "written",
    [
        "  kubernetes: {version: VERSION}",
        '  kubernetes: { version: "VERSION" }  # ours',
        "  kubernetes:\n    version: VERSION",
        "  kubernetes: # ours\n    version: 'VERSION' # now",
    ],
)
def test_renovate_finds_the_version_that_a_definition_says(written, tmp_path):
    text = (golden.EXAMPLES / "quickstart" / "cluster.yaml").read_text()
    text = text.replace("spec:\n", "spec:\n" + written.replace("VERSION", "v1.36.3") + "\n")
    (tmp_path / "cluster.yaml").write_text(text)
    assert found(text) == [load(tmp_path / "cluster.yaml").kubernetes] == ["v1.36.3"]


def test_renovate_finds_what_the_examples_say_and_nothing_in_a_lock():
    names = {path.parent.name: found(path.read_text()) for path in golden.EXAMPLES.glob("*/cluster.yaml")}
    said = load(golden.EXAMPLES / "star-wars" / "cluster.yaml").kubernetes
    assert names == {"ha": [], "quickstart": [], "star-wars": [said]}
    assert found("spec:\n  # kubernetes: {version: v1.36.3}\n") == []
    (pattern,) = MANAGER["managerFilePatterns"]
    is_one = javascript(pattern.strip("/")).search
    assert is_one("cluster.yaml") and is_one("prod/cluster.yaml")
    assert not is_one("cluster.lock.yaml") and not is_one("my-cluster.yaml")


def test_renovate_offers_what_anywhere_supports_and_says_to_lock_it():
    allowed = javascript(RULE["allowedVersions"].strip("/"))
    minors = {minor for minor in range(20, 60) if allowed.search(f"v1.{minor}.3")}
    assert {f"1.{minor}" for minor in minors} == set(NEWEST) and not allowed.search("v1.36.0-rc.1")
    assert RULE["postUpgradeTasks"]["commands"] == ["anywhere images lock {{{packageFile}}}"]
    assert "anywhere images lock" in RULE["prBodyNotes"][0] and RULE["separateMultipleMinor"] is True


def test_dependabot_looks_after_the_actions_and_anywhere():
    updates = parsed(PIPELINES / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"github-actions", "pip"}
    assert f"\nkubernetes-anywhere=={__version__}\n" in (PIPELINES / "requirements.txt").read_text()
