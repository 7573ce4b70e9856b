"""Every shell script of the repository passes shellcheck."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHELLS = ("sh", "bash", "dash")


def scripts():
    """Files that git knows and whose first line names a shell."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if not name or not path.is_file() or path.suffix in (".py", ".age"):
            continue
        with path.open("rb") as file:
            first = file.readline(200)
        words = first.removeprefix(b"#!").decode(errors="replace").replace("/", " ").split()
        if first.startswith(b"#!") and any(word in SHELLS for word in words):
            yield name


def test_shellcheck_has_nothing_to_say():
    assert shutil.which("shellcheck"), "shellcheck is missing: run `make setup`"
    names = list(scripts())
    assert "setup/packages" in names
    # SC2187 only tells that busybox's shell is checked as dash.
    done = subprocess.run(["shellcheck", "--exclude=SC2187", *names], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
