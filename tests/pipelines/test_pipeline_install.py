"""install.sh: anywhere from requirements.txt, and OpenTofu where neither it nor Terraform is there."""

import hashlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.pipelines import STEPS

# `-m venv FOLDER` makes one whose pip notes what it is asked for; the rest is Python's.
PYTHON = f"""#!/bin/sh
if [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    printf '#!/bin/sh\\necho "$*" >>"$NOTED"\\n' >"$3/bin/python"
    exec chmod +x "$3/bin/python"
fi
exec {sys.executable} "$@"
"""
CURL = """#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" != --output ] || out=$2; shift; done
echo "$1" >>"$NOTED"
cp "$SITE/$(basename "$1")" "$out"
"""


@pytest.fixture
def install(tmp_path):
    """Runs the step where only what it needs is on the PATH; its exit status, and what it asked for."""
    site, bin = tmp_path / "site", tmp_path / "bin"
    site.mkdir()
    bin.mkdir()
    for name, text in (("python3", PYTHON), ("curl", CURL)):
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    for name in ("bash", "mktemp", "rm", "uname", "grep", "sha256sum", "install", "mkdir", "chmod", "cp", "basename"):
        (bin / name).symlink_to(shutil.which(name))
    for arch in ("amd64", "arm64"):
        with zipfile.ZipFile(site / f"tofu_1.11.5_linux_{arch}.zip", "w") as archive:
            archive.writestr("tofu", "#!/bin/sh\n")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(site.iterdir())]
    (site / "tofu_1.11.5_SHA256SUMS").write_text("".join(sums))

    def run():
        noted = tmp_path / "noted"
        noted.write_text("")
        environment = {"PATH": str(bin), "HOME": str(tmp_path), "SITE": str(site), "NOTED": str(noted)}
        environment["GITHUB_PATH"] = str(tmp_path / "path")
        done = subprocess.run([STEPS / "install.sh"], env=environment, capture_output=True, text=True)
        return done.returncode, noted.read_text()

    return run


def test_what_is_missing_is_installed(install, tmp_path):
    status, noted = install()
    assert status == 0 and "-m pip install --quiet --disable-pip-version-check --requirement requirements.txt" in noted
    assert (tmp_path / ".anywhere" / "bin" / "tofu").stat().st_mode & 0o111
    assert (tmp_path / "path").read_text() == f"{tmp_path}/.anywhere/bin\n"


@pytest.mark.parametrize("name", ["terraform", "tofu"])
def test_what_is_there_is_taken(install, tmp_path, name):
    (tmp_path / "bin" / name).symlink_to(shutil.which("true"))
    status, noted = install()
    assert status == 0 and "https://" not in noted and not (tmp_path / ".anywhere" / "bin" / "tofu").exists()


def test_a_download_that_is_not_what_it_should_be_is_not_installed(install, tmp_path):
    for archive in (tmp_path / "site").glob("*.zip"):
        archive.write_bytes(archive.read_bytes() + b"more")
    assert install()[0] != 0 and not (tmp_path / ".anywhere" / "bin" / "tofu").exists()
