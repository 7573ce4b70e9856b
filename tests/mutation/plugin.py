"""A plugin of pytest for `make mutate`. $ANYWHERE_MUTATION is a folder, in which files tell it what to do.

It writes there which test runs now, and at the end how each one ended and how many seconds it took. Where the folder
has `wanted`, only the tests in that run, in its order, each for so many seconds at most.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("ANYWHERE_MUTATION", ""))
NOW = FOLDER / f"now-{os.environ.get('PYTEST_XDIST_WORKER', 'here')}"
TOO_LONG = "took longer than a test of a mutant may"

limits: dict[str, float] = {}
ended: dict[str, tuple[str, float]] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    wanted = FOLDER / "wanted"
    if wanted.exists() and not session.testsfailed:  # by an import
        limits.update(json.loads(wanted.read_text()))
        known = {item.nodeid: item for item in items}
        items[:] = [known[name] for name in limits]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    NOW.write_text(item.nodeid)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, limits.get(item.nodeid, 0))
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """For each of a test's phases: the worst is how it ended."""
    how, seconds = ended.get(report.nodeid, ("passed", 0.0))
    if report.outcome != "passed" and how != "failed":
        how = report.outcome
    ended[report.nodeid] = (how, seconds + report.duration)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):  # not in the workers of xdist
        (FOLDER / "ended").write_text(json.dumps(ended))


def _stop(number: int, frame: object) -> None:
    pytest.fail(TOO_LONG, pytrace=False)
