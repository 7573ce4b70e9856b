"""Debian's archive: the suite that everything here is made of, and where it is had from."""

from __future__ import annotations

import os

SUITE = "trixie"
HINT = "Is the Debian archive reachable? ANYWHERE_DEBIAN_MIRROR names another one."
_MIRROR = "http://deb.debian.org"


def sources(options: str = "") -> list[str]:
    """The lines of a sources.list for the suite, its updates and its security; `options` such as `[signed-by=...] `."""
    mirror = os.environ.get("ANYWHERE_DEBIAN_MIRROR", _MIRROR).rstrip("/")
    entries = (("debian", SUITE), ("debian", f"{SUITE}-updates"), ("debian-security", f"{SUITE}-security"))
    return [f"deb {options}{mirror}/{folder} {suite} main" for folder, suite in entries]
