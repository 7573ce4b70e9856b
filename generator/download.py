"""Fetching files over HTTP, whole and checked."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from generator.errors import UserError

TIMEOUT = 20.0  # seconds without a byte
CHUNK = 1 << 20


class Unreachable(UserError):
    """The other side does not answer, or does not have what was asked for."""


def text(url: str, hint: str) -> str:
    """The text at `url`; Unreachable where it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(CHUNK)
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(url, error, hint) from None
    return content.decode(errors="replace")


def file(url: str, path: Path, sha256: str, hint: str) -> None:
    """Put what is at `url` at `path`, whole or not at all.

    Unreachable where it cannot be had; UserError where its SHA-256 is not the wanted one (in hex).
    """
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, part.open("wb") as out:
            while chunk := answer.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != sha256:
            raise UserError(
                f"{url} has SHA-256 {digest.hexdigest()}, but {sha256} was expected.",
                "Something on the way changed it: try again from another network, and do not use it as it is.",
            )
        part.replace(path)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        raise _unreachable(url, error, hint) from None
    finally:
        part.unlink(missing_ok=True)


def _unreachable(url: str, error: Exception, hint: str) -> Unreachable:
    reason = getattr(error, "reason", None) or error
    return Unreachable(f"{url} cannot be had: {reason}.", hint)
