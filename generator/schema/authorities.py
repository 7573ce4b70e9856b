"""Certificates of authorities that a definition names: written in it, or in a file beside it."""

from __future__ import annotations

from pathlib import Path

from generator.source import shown

LIMIT = 64 * 1024  # bytes; they travel in the release, which machines fetch again and again
_HINT = "a file with -----BEGIN CERTIFICATE-----, or that text itself after ca: |"


class NoAuthority(Exception):
    """What is wrong, and what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def read(said: str, folder: Path) -> str:
    """The certificates of `said`, PEM or a file's name in `folder`, as PEM and nothing else."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    text = said if "-----BEGIN" in said else _file(folder / said)
    if "PRIVATE KEY" in text:
        raise NoAuthority("holds a private key", "keep only the certificate, and make a new key")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise NoAuthority(f"{shown(said)} holds no certificate that can be read", _HINT) from None
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)


def _file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise NoAuthority(f"{shown(str(path))} cannot be read: {reason}", _HINT) from None
    if len(content) > LIMIT:
        raise NoAuthority(
            f"{shown(str(path))} is larger than {LIMIT // 1024} KiB", "name the authority of that server alone"
        )
    return content.decode(errors="replace")
