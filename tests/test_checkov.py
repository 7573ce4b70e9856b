"""checkov finds nothing in a rendered folder. No check is left out, but where a file says so and why."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import clouds

CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"

pytestmark = pytest.mark.skipif(not CHECKOV.exists(), reason="setup/checkov has not been run")


@pytest.fixture(
    scope="module", params=[(target, case) for target in clouds.FACTS for case in ("star-wars", "ha")], ids="-".join
)
def report(request, tmp_path_factory):
    """What checkov says of an example on a target."""
    target, case = request.param
    folder = clouds.write(tmp_path_factory.mktemp("checkov") / case, target, case)
    command = [str(CHECKOV), "--directory", ".", "--framework", "terraform", "--var-file", "terraform.tfvars.json"]
    command += ["--skip-download", "--output", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def test_nothing_is_found(report):
    failed = [f"{f['check_id']} {f['resource']}: {f['check_name']}" for f in report["results"]["failed_checks"]]
    assert failed == []
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["passed"] > 50


def test_what_is_left_out_is_little_and_has_a_reason(report):
    left_out = {(f["check_id"], f["check_result"]["suppress_comment"]) for f in report["results"]["skipped_checks"]}
    assert len({check for check, _ in left_out}) < 6
    assert all(len(reason.split()) > 5 for _, reason in left_out)
