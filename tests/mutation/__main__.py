"""`python -m tests.mutation [FILE...]`: do the tests miss a guard that is no longer called? A table in Markdown.

Each mutant lacks one call, one refusal or one step, and should make a test fail. One that survives shows a test that is
not there. Works on a copy of the committed tree.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.mutant import Mutant, mutants

ROOT = Path(__file__).parents[2]
SECONDS = 300  # for the tests of one mutant; one that hangs is found too

# The quickest to notice comes first.
VERBS = (
    "tests/cli/test_cli_steps.py",
    "tests/cli/test_cli_secrets.py",
    "tests/cli/test_cli_looking.py",
    "tests/cli/test_cli_relock.py",
    "tests/cli",
    "tests/test_destroy_guard.py",
    "tests/test_rendered_folder.py",
    "tests/test_readiness.py",
)
AGENT = ("tests/agent/test_agent_steps.py", "tests/agent")
# What is mutated, and the tests that must notice.
TESTS = {
    "generator/operations/apply.py": VERBS,
    "generator/operations/destroy.py": VERBS,
    "generator/operations/plan.py": VERBS,
    "generator/operations/cluster_secrets.py": VERBS,
    "generator/operations/destroy_guard.py": VERBS,
    "generator/operations/field_changes.py": VERBS,
    "generator/operations/keeping.py": VERBS,
    "generator/operations/load_balancers.py": (*VERBS, "tests/test_cloud_destroy.py"),
    "generator/operations/lock_file.py": VERBS,
    "generator/operations/planning.py": VERBS,
    "generator/operations/preflight.py": VERBS,
    "generator/operations/saved_plan.py": VERBS,
    "generator/operations/state_guard.py": VERBS,
    "generator/operations/steps.py": VERBS,
    "generator/operations/store_guard.py": VERBS,
    "generator/operations/version_guard.py": ("tests/cli/test_cli_field_changes.py", *VERBS),
    "generator/operations/workspace.py": VERBS,
    "modules/node/agent/__main__.py": AGENT,
    "modules/node/agent/guard.py": AGENT,
    "modules/node/agent/leave.py": AGENT,
    "modules/node/agent/settings.py": AGENT,
    "modules/node/agent/storage.py": AGENT,
}


def main(files: Sequence[str]) -> int:
    survived = 0
    print("| file | line | without | found |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x"], input=archive, cwd=folder, check=True)
        for name in files or TESTS:
            source = (Path(folder) / name).read_text()
            for mutant in mutants(source):
                found = noticed(Path(folder), name, mutant)
                survived += not found
                what = mutant.what.replace("|", "\\|")
                print(f"| {name} | {mutant.line} | `{what}` | {'yes' if found else '**no**'} |", flush=True)
            (Path(folder) / name).write_text(source)
    print(f"\n{survived} survived.")
    return 1 if survived else 0


def noticed(folder: Path, name: str, mutant: Mutant) -> bool:
    """Whether the file's tests fail with the mutant in its place."""
    (folder / name).write_text(mutant.text)
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", "-m", "not e2e"]
    try:
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*words, *TESTS[name]],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
