"""Downloads over HTTP: whole, checked, and with progress."""

from __future__ import annotations

import hashlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO

from generator.errors import UserError
from generator.files import replacing
from generator.progress import Progress

TIMEOUT = 20.0  # seconds without a byte
CHUNK = 1 << 20  # bytes
NOTE_SECONDS = 10.0  # between two notes of how far a download is


class Unreachable(UserError):
    """The other side does not answer, or does not have what was asked for."""


def text(url: str, hint: str) -> str:
    """The text at `url`, at most CHUNK bytes of it; Unreachable where it cannot be read."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(CHUNK)
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(url, error, hint) from None
    return content.decode(errors="replace")


def file(url: str, path: Path, checksum: str, hint: str, progress: Progress, algorithm: str = "sha256") -> None:
    """Put what is at `url` at `path`, whole or not at all.

    `checksum` is in hex, of `algorithm` as hashlib names it. Unreachable where the file cannot be read; UserError
    where it has another checksum.
    """
    digest = hashlib.new(algorithm)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            replacing(path) as partial,
            urllib.request.urlopen(url, timeout=TIMEOUT) as answer,
            partial.open("wb") as out,
        ):
            for chunk in _chunks(answer, url, progress):
                digest.update(chunk)
                out.write(chunk)
            if digest.hexdigest() != checksum:
                name = algorithm.upper().replace("SHA", "SHA-")
                raise UserError(
                    f"{url} has {name} {digest.hexdigest()}, but {checksum} was expected.",
                    "It was changed on the way, or cut short: try again from another network, and do not use it as it "
                    "is.",
                )
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        raise _unreachable(url, error, hint) from None


def _chunks(answer: IO[bytes], url: str, progress: Progress) -> Iterator[bytes]:
    """The chunks of an answer; notes at the start, and every NOTE_SECONDS, how much there is."""
    total = int(getattr(answer, "headers", {}).get("Content-Length") or 0)
    of = f" of {total / 1e6:.0f}" if total else ""
    progress.note(f"downloading {url}" + (f", {total / 1e6:.0f} MB" if total else ""))
    received, noted = 0, time.monotonic()
    while chunk := answer.read(CHUNK):
        yield chunk
        received += len(chunk)
        if time.monotonic() - noted > NOTE_SECONDS:
            noted = time.monotonic()
            progress.note(f"downloading {url}: {received / 1e6:.0f}{of} MB")


def _unreachable(url: str, error: Exception, hint: str) -> Unreachable:
    reason = getattr(error, "reason", None) or error
    return Unreachable(f"{url} cannot be read: {reason}.", hint)
