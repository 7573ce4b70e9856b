"""Which clusters this version of anywhere can manage. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from generator.definition import NEWEST

RELEASE = "anywhere/v1"  # the form of the document that machines converge to
_VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+")
Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a cluster can be managed; `said` is one sentence, and `remedy` what to do, "" where nothing is."""

    managed: bool
    said: str
    remedy: str = ""


def kubernetes(version: str) -> Verdict:
    """What this version can do with a cluster whose API servers run `version`."""
    found = _VERSION.match(version)
    if not found:
        return Verdict(False, f"Kubernetes {version} is no version that anywhere knows.")
    minor = int(found[1]), int(found[2])
    oldest, newest = _minors()[0], _minors()[-1]
    first = NEWEST[_text(oldest)]
    if minor > newest:
        said = f"Kubernetes {version} is newer than this version of anywhere knows."
        return Verdict(False, said, "Install the version of anywhere that last applied the cluster, or a newer one.")
    if minor >= oldest:
        return Verdict(True, f"Kubernetes {version} can be managed.")
    if minor == _before(oldest):
        return Verdict(True, f"Kubernetes {version} has ended; it can be upgraded to {first}, and nothing else.")
    said = f"Kubernetes {version} is too old: an upgrade to {first} would leave out minor versions."
    step = f"v{_text(_before(oldest))}"
    return Verdict(False, said, f"Upgrade to {step} first, with an earlier version of anywhere.")


def kubernetes_minors() -> str:
    """The minor versions of Kubernetes that can be managed, in words."""
    *others, last = (f"v{minor}" for minor in NEWEST)
    return f"{', '.join(others)} and {last}"


def upgradable() -> str:
    """The minor version that can only be upgraded, and to what."""
    oldest = _minors()[0]
    return f"v{_text(_before(oldest))} (by an upgrade to {NEWEST[_text(oldest)]})"


def _minors() -> list[Minor]:
    return [(int(major), int(minor)) for major, minor in (each.split(".") for each in NEWEST)]


def _before(minor: Minor) -> Minor:
    return minor[0], minor[1] - 1


def _text(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}"
