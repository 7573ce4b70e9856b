"""The tests, run on a copy of the committed tree."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.plugin import TOO_LONG
from tests.mutation.probe import probed

ROOT = Path(__file__).parents[2]
PASSED, FAILED, INTERRUPTED = 0, 1, 2  # how pytest ends
_STEM = 5  # letters: `destroy` and `destroys` are the same word
_SOON = 3  # statements: a test that runs no more of them after another most likely ends with that one


@dataclass(frozen=True)
class Copy:
    """A copy of the committed tree, with a folder of notes beside it: see `tests.mutation.plugin`."""

    folder: Path
    notes: Path

    @classmethod
    def make(cls, parent: Path) -> "Copy":
        parent.mkdir()
        copy = cls(parent / "tree", parent / "notes")
        copy.notes.mkdir()
        subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, copy.folder], check=True)
        (copy.folder / ".venv").symlink_to(Path(sys.prefix))
        return copy

    def first_failed(self, limits: Mapping[str, float]) -> str:
        """Run these tests in this order, each for so many seconds at most, until one fails; its name, "" for none."""
        wanted = self.notes / "wanted"
        wanted.write_text(json.dumps(limits))
        files = dict.fromkeys(_file(test) for test in limits)
        try:
            code = self.run(files, "-x", "-n0", seconds=60 + sum(limits.values()))
        except subprocess.TimeoutExpired:
            return "all of them, as they do not end"
        finally:
            wanted.unlink()
        if code == PASSED:
            return ""
        if code < 0:
            return f"pytest itself, which signal {-code} ended"
        if code not in (FAILED, INTERRUPTED):
            raise self.broken(code)
        failed = next((name for name, (how, _) in self.ended().items() if how == "failed"), "the import of a test")
        return f"{failed}, which does not end" if TOO_LONG in self.said.read_text() else failed

    def run(self, files: Iterable[str], *options: str, seconds: float | None = None) -> int:
        """Run the tests in these files; how pytest ended. subprocess.TimeoutExpired after so many seconds."""
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutation.plugin"]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANYWHERE_MUTATION": str(self.notes),
        }
        with self.said.open("w") as said:
            process = subprocess.Popen(
                [*words, "-m", "not e2e", *options, *files],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            return process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):  # what a test left behind ends, too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def broken(self, code: int) -> SystemExit:
        return SystemExit(f"pytest ended with {code}:\n{self.said.read_text()}")

    @property
    def said(self) -> Path:
        return self.notes / "said"

    def ended(self) -> dict[str, tuple[str, float]]:
        """How each test of the last run ended, and after how many seconds."""
        return {name: tuple(value) for name, value in json.loads((self.notes / "ended").read_text()).items()}


@dataclass(frozen=True)
class Baseline:
    """The tests of the tree without mutants: the seconds of each that passes, and by module and number of a statement
    those that run it, with how many statements they first run after it. `failed` fail for any change of the text, or
    anyway: that one fails says nothing of a mutant.
    """

    seconds: Mapping[str, float]
    ran: Mapping[tuple[str, int], Mapping[str, int]]
    failed: tuple[str, ...]

    def tests(self, name: str, number: int, what: str = "", noticed: Collection[str] = ()) -> dict[str, float]:
        """The tests that may notice, and how long each may take: those that run the statement, the likeliest first.

        That are those which end with it, as where a guard refuses; then those whose names have words of `what`, the
        statement; then those that `noticed` other mutants of the module, as they look closely; then the quickest. Then
        come the others of the same files: a fixture or a cache that they share may have run the statement for them.
        """
        after = self.ran.get((name, number), {})
        run = after.keys() & self.seconds.keys()
        files = {_file(test) for test in run}
        slowest = {file: max(s for test, s in self.seconds.items() if _file(test) == file) for file in files}
        beside = (test for test in self.seconds.keys() - run if _file(test) in files)
        alike = likeness(what, run)

        def likeliest(test: str) -> tuple[float, ...]:
            return min(after[test], _SOON), -alike[test], test not in noticed, after[test], self.seconds[test]

        found = sorted(run, key=likeliest)
        found += sorted(beside, key=self.seconds.__getitem__)
        return {test: 30 + 5 * slowest[_file(test)] for test in found}


def likeness(what: str, tests: Collection[str]) -> dict[str, float]:
    """How much the name of each test has to do with the statement `what`: a word that few of them have tells most."""
    alike = dict.fromkeys(tests, 0.0)
    for stem in {word[:_STEM] for word in re.findall(rf"[a-z]{{{_STEM},}}", what.lower())}:
        having = [test for test in tests if stem in test.lower()]
        for test in having:
            alike[test] += 1 / len(having)
    return alike


def measure(copy: Copy, names: Iterable[str], tests: Iterable[str]) -> Baseline:
    """Run the tests once, with probes in the modules `names`."""
    sources = {name: (copy.folder / name).read_text() for name in names}
    for name, source in sources.items():
        (copy.folder / name).write_text(probed(source, name, copy.notes))
    code = copy.run(tests, "-n", "auto")
    if code not in (PASSED, FAILED):
        raise copy.broken(code)
    for name, source in sources.items():
        (copy.folder / name).write_text(source)
    ended = copy.ended()
    seconds = {name: seconds for name, (how, seconds) in ended.items() if how == "passed"}
    failed = tuple(name for name, (how, _) in ended.items() if how == "failed")
    return Baseline(seconds, followed((copy.notes / "ran").read_text().splitlines()), failed)


def followed(notes: Iterable[str]) -> dict[tuple[str, int], dict[str, int]]:
    """By module and number of a statement, the tests that ran it, with how many others each first ran after it."""
    statements: dict[str, list[tuple[str, int]]] = {}
    for line in notes:
        name, number, test = line.split("\t")
        statements.setdefault(test, []).append((name, int(number)))
    ran: dict[tuple[str, int], dict[str, int]] = {}
    for test, in_order in statements.items():
        for after, statement in enumerate(reversed(in_order)):
            ran.setdefault(statement, {}).setdefault(test, after)
    return ran


def _file(test: str) -> str:
    return test.partition("::")[0]
