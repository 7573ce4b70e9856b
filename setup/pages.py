"""`python setup/pages.py FOLDER`: lays out the pages of the site, out of the Markdown of this repository.

docs/ is the root of the site, and README.md its front page. What these link to elsewhere in the repository comes along
under its own path, and links are rewritten, so that each works in a checkout and on the site.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONT = "README.md"
DOCS = "docs/"
BESIDE = (FRONT, "CONTRIBUTING.md", "CHANGELOG.md")  # pages, though they stand beside docs/

# Code is no place for links: fenced blocks, and spans of a paragraph in any number of backquotes.
_FENCED = r"^ *(?P<fence>```+|~~~+)[^\n]*\n.*?^ *(?P=fence) *$"
_SPAN = r"(?P<ticks>`+)(?!`)(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)"
_CODE = re.compile(f"{_FENCED}|{_SPAN}", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"\]\(\s*([^()\s]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link of a page leads: `path` is in the repository, "" for another site; `span` is of its text."""

    target: str
    path: str
    anchor: str
    span: tuple[int, int]


def without_code(text: str) -> str:
    """`text`, as long as it was, with blanks in place of code."""
    return _CODE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def links(page: str, text: str) -> Iterator[Link]:
    """The links and images of the page that is at `page` in the repository."""
    for found in _TARGET.finditer(without_code(text)):
        target = found[1]
        if ":" in target.partition("#")[0]:
            yield Link(target, "", "", found.span(1))
            continue
        path, _, anchor = target.partition("#")
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        yield Link(target, resolved, anchor, found.span(1))


def place(path: str) -> str:
    """Where a file of the repository is on the site."""
    return "index.md" if path == FRONT else path.removeprefix(DOCS)


def pages(root: Path = ROOT) -> dict[str, bytes]:
    """Every file of the site, by its place: docs/, the pages beside it, and what any of them links to."""
    left = [*BESIDE, *(str(path.relative_to(root)) for path in sorted((root / DOCS).rglob("*")) if path.is_file())]
    found: dict[str, bytes] = {}
    while left:
        path = left.pop()
        if place(path) in found or not (root / path).is_file():
            continue  # a link to what is not there fails the build by itself
        content = (root / path).read_bytes()
        if path.endswith(".md"):
            text = content.decode()
            left += [link.path for link in links(path, text) if link.path]
            content = _moved(path, text).encode()
        found[place(path)] = content
    return found


def _moved(page: str, text: str) -> str:
    """The text of a page, whose links are those of the site."""
    folder = posixpath.dirname(place(page))
    for link in reversed([link for link in links(page, text) if link.path]):
        target = posixpath.relpath(place(link.path), folder or ".") if link.path != page else ""
        anchor = f"#{link.anchor}" if link.anchor else ""
        text = text[: link.span[0]] + target + anchor + text[link.span[1] :]
    return text


def main() -> None:
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in pages().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
