"""The package as it is built and installed: the sdist has everything, and the wheel works away from a checkout."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

import generator
from generator import lock
from tests import golden

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from hatchling import build; print(getattr(build, sys.argv[1])(sys.argv[2]))"
NAME = f"kubernetes_anywhere-{generator.__version__}"


def build(what, folder, tree):
    """Build `what` of a tree without a network; its path."""
    command = [sys.executable, "-c", BUILD, what, folder]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return build("build_sdist", folder, ROOT), build("build_wheel", folder, ROOT)


def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: (info.CRC, info.external_attr >> 16 & 0o111) for info in archive.infolist()}


def test_the_sdist_has_every_file_of_the_repository(built):
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    there = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    with tarfile.open(built[0]) as archive:
        packed = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    assert there <= packed
    assert not [name for name in packed if name.startswith((".venv", ".git/", "site/", ".anywhere"))]


def test_the_sdist_builds_the_same_wheel(built, tmp_path):
    """Of a tree without git, as whoever packages it for a distribution has it."""
    with tarfile.open(built[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    assert members(build("build_wheel", tmp_path, tmp_path / NAME)) == members(built[1])


def test_the_wheel_has_the_modules_and_no_tests(built):
    names = members(built[1])
    for path in (ROOT / "modules").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert {name.partition("/")[0] for name in names} == {"generator", "providers", "modules", f"{NAME}.dist-info"}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A new environment with the wheel. Its dependencies are those of this one, by a .pth file: there is no network.

    What this environment installs by .pth files of its own, such as the checkout, is not in it.
    """
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--no-compile", built[1]], check=True)
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


@pytest.fixture
def environment(tmp_path):
    """Nobody's files or settings; PYTHONPATH least of all."""
    return {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def anywhere(installed, environment, tmp_path):
    """Runs the installed program in a folder that has quickstart and its lock."""
    (tmp_path / "cluster.yaml").write_text((ROOT / "examples" / "quickstart" / "cluster.yaml").read_text())
    lock.write(tmp_path / "cluster.lock.yaml", replace(golden.load("quickstart")[1], facts={"local": {}}))

    def run(*words):
        command = [installed / "anywhere", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    return run


def test_the_installed_wheel_is_not_the_checkout(installed, environment, tmp_path):
    script = "import generator, modules, providers; print(generator.__file__, modules.__file__, providers.__file__)"
    command = [installed / "python", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert all(Path(path).is_relative_to(installed.parent) for path in done.stdout.split())


def test_the_wheel_works_outside_a_checkout_with_this_environments_dependencies(anywhere, tmp_path):
    assert anywhere("--version").stdout == f"anywhere {generator.__version__}\n"
    done = anywhere("validate")
    assert (done.returncode, done.stdout) == (0, "cluster.yaml: cluster quickstart is valid.\n"), done.stderr
    done = anywhere("render", "--frozen", "--out", "rendered")
    assert done.returncode == 0, done.stderr
    rendered = tmp_path / "rendered"
    assert {"machines.tf", "terraform.tfvars.json", "user-data"} <= {path.name for path in rendered.iterdir()}
    for path in (ROOT / "modules" / "local").glob("*.tf"):
        assert (rendered / path.name).read_bytes() == path.read_bytes()
    assert anywhere("graph", "--format", "dot").stdout.startswith("digraph")


def test_the_provider_for_local_machines_comes_along(installed):
    assert (installed / "anywhere-terraform-provider").is_file()
