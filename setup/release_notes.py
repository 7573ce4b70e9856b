"""`python setup/release_notes.py TAG`: prints what CHANGELOG.md says of a release, such as v0.2.0."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.MULTILINE)
VERSION = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)


def notes(tag: str, changelog: str, version: str) -> str:
    """The section of a release; ValueError where the tag is not of this version, or there is nothing to say."""
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, and generator/__init__.py has version {version}")
    parts = HEADING.split(changelog)[1:]  # a name, a date and a text after the other
    sections = dict(zip(parts[::3], zip(parts[1::3], parts[2::3], strict=True), strict=True))
    if version not in sections:
        raise ValueError(
            f"CHANGELOG.md has no section `## [{version}] - DATE`: rename [Unreleased], and begin a new one"
        )
    date, text = sections[version]
    if not date:
        raise ValueError(f"the section [{version}] of CHANGELOG.md has no date")
    if not text.strip():
        raise ValueError(f"the section [{version}] of CHANGELOG.md is empty")
    return f"{text.strip()}\n"


def main() -> int:
    version = VERSION.search((ROOT / "generator" / "__init__.py").read_text())
    try:
        text = notes(sys.argv[1], (ROOT / "CHANGELOG.md").read_text(), version[1] if version else "")
    except ValueError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
