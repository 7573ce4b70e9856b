"""What makes a release: the notes, the workflow, and the container image, which is not built here."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from generator import __version__

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
JOBS = YAML(typ="safe").load(WORKFLOW)["jobs"]
LISTS = ("runtime", "requirements")
CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-12-24

### Added
- A thing.

## [0.1.0]
- Older.
"""


@pytest.fixture(scope="module")
def notes():
    spec = importlib.util.spec_from_file_location("release_notes", ROOT / "setup" / "release_notes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.notes


# Notes


def test_the_notes_are_the_section_of_the_release(notes):
    assert notes("v0.2.0", CHANGELOG, "0.2.0") == "### Added\n- A thing.\n"


@pytest.mark.parametrize(
    ("tag", "version", "said"),
    [
        ("v0.3.0", "0.2.0", "the tag is v0.3.0"),
        ("0.2.0", "0.2.0", "the tag is 0.2.0"),
        ("v0.3.0", "0.3.0", "no section"),
        ("v0.1.0", "0.1.0", "no date"),
    ],
)
def test_a_release_without_notes_is_refused(notes, tag, version, said):
    with pytest.raises(ValueError, match=said):
        notes(tag, CHANGELOG, version)


def test_an_empty_section_is_refused(notes):
    with pytest.raises(ValueError, match="empty"):
        notes("v1.0.0", "## [1.0.0] - 2027-01-01\n\n## [0.9.0] - 2026-01-01\n- Old.\n", "1.0.0")


def test_the_script_knows_the_version_of_the_code():
    done = subprocess.run(
        [sys.executable, ROOT / "setup" / "release_notes.py", "v0.0.0"], capture_output=True, text=True
    )
    assert done.returncode == 1 and f"has version {__version__}" in done.stderr


# The workflow


def test_the_workflow_is_of_its_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_pinned_and_lines_take_nothing_from_outside():
    steps = [step for job in JOBS.values() for step in job["steps"]]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]) for step in steps if "uses" in step)
    assert [step["run"] for step in steps if "${{" in step.get("run", "") or "\n" in step.get("run", "")] == []


def test_each_job_may_do_its_own_part_alone():
    writes = {name: {what for what, how in job["permissions"].items() if how == "write"} for name, job in JOBS.items()}
    assert writes == {"build": set(), "publish": {"id-token"}, "image": {"packages"}, "notes": {"contents"}}
    assert YAML(typ="safe").load(WORKFLOW)["permissions"] == {}
    assert "secrets." not in WORKFLOW.read_text()
    assert JOBS["publish"]["environment"] == "pypi"


def test_nothing_is_published_before_it_is_tested():
    runs = [step.get("run", "") for step in JOBS["build"]["steps"]]
    assert runs.index("make test docs") < next(i for i, run in enumerate(runs) if "hatchling build" in run)
    assert all("build" in json.dumps(JOBS[name]["needs"]) for name in ("publish", "image"))


def test_uv_is_the_one_that_locks():
    pinned = re.search(r"^uv=(\S+)$", (ROOT / "setup" / "lock").read_text(), re.MULTILINE)
    assert f"uv=={pinned[1]}'" in WORKFLOW.read_text()


# The container image


def instructions():
    """The instructions of setup/Containerfile: (name, argument), continuation lines joined, comments left out."""
    lines = (ROOT / "setup" / "Containerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name
    ]


def of(name):
    return [argument for each, argument in instructions() if each == name]


def test_the_image_is_of_known_instructions():
    names = [name for name, _ in instructions()]
    assert set(names) <= {"ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "CMD"}
    assert names[-1] == "CMD" and json.loads(of("CMD")[0])[0] == "anywhere"


def test_base_images_have_a_registry_and_a_version():
    argument, base = of("ARG")[0].split("=")
    images = [image.split(" ")[0].replace(f"${argument}", base) for image in of("FROM")]
    for image in images:
        assert re.fullmatch(r"[\w.-]+\.[a-z]+/[\w./-]+:[\w.-]+(@sha256:[0-9a-f]{64})?", image), image
        assert not image.endswith(":latest")


def test_it_runs_as_nobody_special():
    assert of("USER") == ["1000:1000"]
    assert [name for name, _ in instructions()].index("USER") > max(
        index for index, (name, _) in enumerate(instructions()) if name == "RUN"
    )


def test_what_it_installs_is_pinned_or_debians():
    runs = " && ".join(of("RUN")).split(" && ")
    installs = [run for run in runs if " install " in run]
    assert all(
        run.startswith("apt-get install --yes --no-install-recommends ")
        or "--require-hashes" in run
        or "--no-deps" in run
        for run in installs
    )
    assert not re.search(r"curl .*\| *sh|\bADD\b|http://", "\n".join(runs))


def test_what_it_copies_is_in_its_context():
    ignored = (ROOT / "setup" / "Containerfile.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    sources = [word for copy in of("COPY") if "--from" not in copy for word in copy.split()[:-1]]
    assert sources == ["setup/runtime.txt", "dist/kubernetes_anywhere-*.whl"]
    assert {f"!{source}".replace("kubernetes_anywhere-", "") for source in sources} == set(ignored[1:])
    assert (ROOT / "setup" / "runtime.txt").is_file()


def test_opentofu_is_the_version_that_the_set_up_installs():
    pinned = re.search(r"^version=(\S+)", (ROOT / "setup" / "terraform").read_text(), re.MULTILINE)
    assert f"opentofu:{pinned[1]}-minimal" in of("FROM")[0]


def test_its_packages_are_those_that_were_tested():
    locked = [re.findall(r"^(\S+?==\S+)", (ROOT / "setup" / f"{name}.txt").read_text(), re.M) for name in LISTS]
    assert set(locked[0]) <= set(locked[1]) and not any(each.startswith("pytest=") for each in locked[0])
