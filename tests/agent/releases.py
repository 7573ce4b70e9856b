"""Releases to converge to: those of the golden trees."""

import json
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def text(case):
    """The release of a golden tree, as a machine fetches it."""
    return (GOLDEN / case / "documents" / "release.json").read_text()


def release(case):
    """The same as a machine of amd64 reads it."""
    whole = json.loads(text(case))
    ids = {name: [images[name]["id"] for images in whole["images"].values()] for name in whole["images"]["amd64"]}
    mine = {"images": whole["images"]["amd64"], "packages": whole["packages"].get("amd64"), "arch": "amd64"}
    return {**whole, **mine, "image_ids": ids}
