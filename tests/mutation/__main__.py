"""`python -m tests.mutation [FILE...]`: do the tests miss a guard that is no longer called? A table in Markdown.

Each mutant lacks one call, one refusal or one step, and should make a test fail. One that survives shows a test that is
not there. Works on copies of the committed tree.

First all tests run once, which says which of them run which statement. A mutant then gets only those, and survives at
once where there is none.
"""

import itertools
import os
import queue
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutant import Mutant, mutants
from tests.mutation.suite import Baseline, Copy, measure
from tests.mutation.survivors import REASONS

# What refuses, orders or waits, on the way to a cluster that lives.
MUTATED = (
    *(
        f"generator/operations/{name}.py"
        for name in (
            *("apply", "destroy", "plan", "cluster_secrets", "destroy_guard", "etcd_restore", "etcd_snapshots"),
            *("field_changes", "keeping", "load_balancers", "lock_file", "planning", "preflight", "release_progress"),
            *("retirement", "rollback", "saved_plan", "state_guard", "steps", "store_guard", "user_kubeconfig"),
            *("version_guard", "workspace"),
        )
    ),
    *(
        f"modules/node/agent/{name}.py"
        for name in (
            *("__main__", "addon_record", "cordon", "drain", "first_start", "guard", "halts", "leave", "membership"),
            *("own_addons", "pool_settings", "restore", "retire", "rollout", "settings", "snapshot", "storage"),
            *("turns/control_plane", "turns/worker"),
        )
    ),
)
# The tests that may run it. Others could only find more.
TESTS = {
    "generator/operations/": (
        "tests/cli",
        *(
            f"tests/test_{name}.py"
            for name in (
                *("authentication", "cloud_destroy", "cloud_rollout", "cluster_health", "destroy_guard", "images"),
                *("kubernetes", "leaders", "local_rollout", "readiness", "recipients", "release_progress"),
                *("rendered_folder", "retirement", "status", "store", "terraform"),
            )
        ),
    ),
    "modules/node/agent/": ("tests/agent",),
}


@dataclass(frozen=True)
class Result:
    """What became of a mutant. `by` is the test that noticed it, "" where it survived all `tests`."""

    file: str
    mutant: Mutant
    tests: int
    by: str = ""

    @property
    def reason(self) -> str:
        """Why it may survive; "" where nothing excuses it."""
        return REASONS.get(self.file, {}).get(self.mutant.what, "")

    def __str__(self) -> str:
        fate = f"noticed by {self.by}" if self.by else f"SURVIVED {self.tests} tests. {self.reason}"
        return f"{self.file}:{self.mutant.line} without `{self.mutant.what}`: {fate}"


def main(files: Sequence[str]) -> int:
    begun, names = time.monotonic(), files or MUTATED
    with tempfile.TemporaryDirectory() as folder:
        copies = [Copy.make(Path(folder) / str(number)) for number in range(os.cpu_count() or 1)]
        tests = (test for home, tests in TESTS.items() if any(n.startswith(home) for n in names) for test in tests)
        baseline = measure(copies[0], names, tests)
        say(f"{len(baseline.seconds)} tests pass, in {time.monotonic() - begun:.0f} s")
        for test in baseline.failed:
            say(f"not counted, as it fails without a mutant, or for any change of the text: {test}")
        results = sorted(every(names, baseline, copies), key=lambda found: (found.file, found.mutant.line))
    print("\n".join(table(results)))
    say(f"{len(results)} mutants, in {(time.monotonic() - begun) / 60:.0f} minutes")
    missed = [result for result in results if not (result.by or result.reason)]
    for result in missed:
        say(str(result))
    return 1 if missed else 0


def every(files: Iterable[str], baseline: Baseline, copies: Sequence[Copy]) -> Iterator[Result]:
    """Try all mutants, on all copies at the same time."""
    wanted = [
        (name, number, mutant)
        for name in files
        for number, mutant in enumerate(mutants((copies[0].folder / name).read_text()))
    ]
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)
    noticed: dict[str, set[str]] = {name: set() for name in files}

    def one(name: str, number: int, mutant: Mutant) -> Result:
        copy = free.get()
        try:
            result = tried(copy, name, mutant, baseline.tests(name, number, mutant.what, noticed[name]))
        finally:
            free.put(copy)
        noticed[name].add(result.by)
        return result

    with ThreadPoolExecutor(len(copies)) as pool:
        for result in pool.map(lambda given: one(*given), wanted):
            say(str(result))
            yield result


def tried(copy: Copy, name: str, mutant: Mutant, tests: Mapping[str, float]) -> Result:
    """Run the tests with the mutant in its place, until one fails."""
    if not tests:
        return Result(name, mutant, 0)
    path = copy.folder / name
    source = path.read_text()
    path.write_text(mutant.text)
    try:
        return Result(name, mutant, len(tests), copy.first_failed(tests))
    finally:
        path.write_text(source)


def table(results: Iterable[Result]) -> Iterator[str]:
    """In Markdown: a line for each file, and one for all."""
    yield "| file | mutants | noticed | survivors |"
    yield "|---|--:|--:|---|"
    by_file = {name: list(group) for name, group in itertools.groupby(results, lambda result: result.file)}
    for name, group in by_file.items():
        survivors = (f"`{r.mutant.what}`: {r.reason or 'no test'}".replace("|", "\\|") for r in group if not r.by)
        yield f"| {name} | {len(group)} | {sum(bool(r.by) for r in group)} | {'<br>'.join(survivors)} |"
    every_one = [result for group in by_file.values() for result in group]
    yield f"| all | {len(every_one)} | {sum(bool(r.by) for r in every_one)} | |"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
