"""The set-up: what it does again after it was cut off at any point, and what it names to an ordinary user."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SYSTEM = "/usr/bin:/bin"


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def run(name, *arguments, path, folder=ROOT, **environment):
    command = [ROOT / "setup" / name, *arguments]
    environment = {"PATH": str(path), "HOME": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


# Python

PIP = """
echo "$*" >>"$PIP_LOG"
case "$*" in *--editable*) [ -z "$KILLED" ] || kill -9 $PPID ;; esac
"""


@pytest.fixture
def python(tmp_path):
    """Runs setup/python with a Python whose environments have a pip that only notes what it is asked for."""
    log = tmp_path / "log"
    pip = script(tmp_path / "pip", PIP)
    # venv's are real; `-m pip` is the script.
    stub = f'[ "$1 $2" != "-m pip" ] || {{ shift 2; exec {pip} "$@"; }}\nexec {sys.executable} "$@"'
    venv = f'[ "$1 $2" = "-m venv" ] && {{ mkdir -p "$3/bin" "$3/lib" && cp "$0" "$3/bin/python"; exit; }}\n{stub}'
    script(tmp_path / "bin" / "python3", venv)

    def setup(**environment):
        log.write_text("")
        path = f"{tmp_path / 'bin'}:{SYSTEM}"
        done = run("python", tmp_path / "venv", path=path, PIP_LOG=str(log), **environment)
        return done, log.read_text()

    return setup


def test_packages_come_with_their_hashes(python):
    done, asked = python()
    assert done.returncode == 0, done.stderr
    assert "--require-hashes --requirement setup/requirements.txt" in asked
    assert "--no-deps --no-build-isolation --editable ." in asked


def test_a_pip_that_was_killed_is_begun_afresh_and_other_programs_stay(python, tmp_path):
    venv = tmp_path / "venv"
    assert python(KILLED="yes")[0].returncode != 0
    (venv / "lib" / "half").write_text("half a package")
    (venv / "bin" / "tofu").write_text("took minutes to build")
    assert (venv / "tmp").is_dir()
    assert python()[0].returncode == 0
    assert not (venv / "lib" / "half").exists() and (venv / "bin" / "tofu").exists()
    assert not (venv / "tmp").exists()
    (venv / "lib" / "whole").write_text("a whole package")
    assert python()[0].returncode == 0
    assert (venv / "lib" / "whole").exists()


def test_an_environment_without_pip_is_made_again(python, tmp_path):
    """What is left where `python -m venv` was killed: a Python, and no pip."""
    venv = tmp_path / "venv"
    script(venv / "bin" / "python", f'[ "$2" != pip ] || exit 1; exec {sys.executable} "$@"')
    done, asked = python()
    assert done.returncode == 0, done.stderr
    assert "--requirement setup/requirements.txt" in asked


# OpenTofu


def test_half_of_a_program_is_not_taken_for_terraform(tmp_path):
    bin = tmp_path / "bin"
    script(bin / "tofu", "exit 1")  # half of it
    script(bin / ".opentofu" / "tofu", "exit 1")
    tools = tmp_path / "tools"
    for name in ("curl", "terraform", "tofu"):
        script(tools / name, "exit 1")
    script(bin / "python", 'printf "#!/bin/sh\\necho OpenTofu v1.11.5\\n" >"$3"')  # stands for the build
    done = run("terraform", bin, path=f"{tools}:{SYSTEM}")
    assert done.returncode == 0, done.stderr
    assert subprocess.check_output([bin / "tofu"], text=True) == "OpenTofu v1.11.5\n"
    assert sorted(path.name for path in bin.iterdir()) == ["python", "tofu"]
    script(bin / "python", "exit 1")
    assert run("terraform", bin, path=f"{tools}:{SYSTEM}").returncode == 0


# Debian's packages

PROGRAMS = ("sh", "id", "grep", "env", "cat")


@pytest.fixture
def bare(tmp_path):
    """A PATH with few programs, where the user is an ordinary one, named `ida`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in PROGRAMS:
        (tools / name).symlink_to(shutil.which(name))
    (tools / "id").unlink()
    script(tools / "id", '[ "$1" = -un ] && echo ida || echo 4242')
    script(tools / "apt-get", "exit 1")
    return tools


def test_without_sudo_the_packages_are_named_with_their_command(bare):
    done = run("packages", path=bare)
    assert done.returncode == 1
    command = done.stderr.splitlines()[-1]
    assert command.startswith("  apt-get install --no-install-recommends ")
    assert {"uidmap", "fakeroot"} <= set(command.split())


def test_an_installation_that_was_cut_off_is_finished_first(bare, tmp_path):
    log = tmp_path / "log"
    script(bare / "sudo", f'echo "$*" >>{log}; case $1 in apt-get | env) exit 1 ;; esac')
    assert run("packages", path=bare).returncode == 1
    assert log.read_text().splitlines()[:2] == ["dpkg --configure -a", "apt-get update -qq"]


def test_a_user_without_subordinate_ids_gets_the_command_for_them(bare):
    text = (ROOT / "setup" / "packages").read_text()
    for entry in text.partition("wanted='\n")[2].partition("\n'")[0].splitlines():
        _package, kind, what = entry.split(":")
        if kind == "program" and not (bare / what).exists():
            script(bare / what, "")
    script(bare / "sudo", "")
    done = run("packages", path=bare)
    assert done.returncode == 1
    assert "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ida" in done.stderr
