"""Kubernetes versions, compared as numbers. Pure."""

from __future__ import annotations


def number(version: str) -> tuple[int, int, int]:
    """`v1.35.4` -> (1, 35, 4)."""
    major, minor, patch = version.removeprefix("v").split(".")
    return int(major), int(minor), int(patch)


def is_older(version: str, other: str) -> bool:
    """Whether `version` comes before `other`."""
    return number(version) < number(other)


def same_minor(version: str, other: str) -> bool:
    """Whether the two are patches of one minor version."""
    return number(version)[:2] == number(other)[:2]


def skipped_minors(version: str, later: str) -> tuple[str, ...]:
    """The minor versions between the two, such as `v1.35`: an upgrade must not leave one out."""
    (major, minor, _), (_, last, _) = number(version), number(later)
    return tuple(f"v{major}.{between}" for between in range(minor + 1, last))
