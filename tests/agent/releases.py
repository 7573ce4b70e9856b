"""Releases to converge to: those of the golden trees."""

import json
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def release(case):
    """The release of a golden tree, as a machine reads it."""
    return json.loads((GOLDEN / case / "documents" / "release.json").read_text())
