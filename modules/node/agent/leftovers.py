"""Remove the images and node archives of earlier releases, except the newest."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agent import containerd
from agent.docker import Docker
from agent.files import put
from agent.host import STATE, NodeError

RECORD = STATE / "images.json"  # every image that a release asked for, in the order of their last use
ARCHIVE = Path(__file__).resolve().parent.parent
KEEP = 2  # what runs, and what ran before it, to which a release may go back


def note(images: Iterable[Mapping[str, Any]]) -> None:
    """Record that the release asks for `images`."""
    now = [{key: image[key] for key in ("ref", "id", "pod_ref", "runtimes") if key in image} for image in images]
    ids = {image["id"] for image in now}
    before = [{**image, "asked": False} for image in _record() if image["id"] not in ids]
    put(RECORD, json.dumps([*before, *({**image, "asked": True} for image in now)], indent=1))


def last(ref: str) -> str | None:
    """The id of the image that a release last meant by `ref`; None where none did."""
    return next((image["id"] for image in reversed(_record()) if image["ref"] == ref), None)


def remove() -> None:
    """Remove all but the newest of each name; one that is asked for or that something still uses is kept for now."""
    kept, seen = [], Counter[str]()
    for image in reversed(_record()):
        name = image["ref"].rpartition(":")[0]
        seen[name] += 1
        if image.get("asked") or seen[name] <= KEEP or not _remove(image):
            kept.append(image)
    put(RECORD, json.dumps(kept[::-1], indent=1))
    _remove_archives()


def _record() -> list[dict[str, Any]]:
    try:
        record: list[dict[str, Any]] = json.loads(RECORD.read_text())
    except (OSError, ValueError):
        return []
    return record


def _remove_archives() -> None:
    """Remove old node archives: nothing but folders that are called by a checksum."""
    folders = [path for path in ARCHIVE.parent.glob(64 * "[0-9a-f]") if path != ARCHIVE]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime)[: 1 - KEEP]:
        folder.with_suffix(".tar").unlink(missing_ok=True)
        shutil.rmtree(folder)


def _remove(image: Mapping[str, Any]) -> bool:
    """Remove an image from its runtimes; whether nothing uses it."""
    try:
        if "docker" in image["runtimes"] and Docker().image_id(image["id"]):
            Docker().call("DELETE", f"/images/{image['id']}")
        if "containerd" in image["runtimes"]:
            names = {image["id"], image["pod_ref"]}
            if names & set(containerd.ctr("containers", "ls").split()):
                return False
            containerd.ctr("images", "rm", *sorted(names))
    except NodeError as error:
        print(f"kept for now: {error}", flush=True)
        return False
    return True
