"""docs/troubleshooting.md quotes what the program and its machines really say, and has every stage."""

import re
from pathlib import Path

from generator.status import STAGES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
COMMANDS = ("anywhere ", "kubectl ", "make ", "apply", "doctor", "waiting ...", "unknown flag", "coredns", "/etc/")
STANDS_FOR = re.compile(r"\b[A-Z][A-Z0-9]+\b|: ")  # names, numbers and texts of a cluster, also API; what is about what
SHORTEST = 6


def sources():
    """The code, in which a text over several lines is in one piece."""
    files = [path for folder in ("generator", "providers", "modules/node") for path in (ROOT / folder).rglob("*.py")]
    files.append(ROOT / "modules" / "node" / "boot" / "anywhere-converge")
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in files))


def quoted():
    """The messages: in the first column of tables, and in lines of their own."""
    for line in PAGE.splitlines():
        cell = line.split(" | ")[0].removeprefix("| ") if line.startswith("| `") else line
        if line.startswith("| `") or (line.startswith("`") and line.endswith("`")):
            yield from (span for span in re.findall(r"`([^`]+)`", cell) if not span.startswith(COMMANDS))


def test_what_is_quoted_is_said():
    code, found = sources(), set(quoted()) - set(STAGES)
    assert len(found) > 40
    fragments = ((text, part.strip(" .:;,")) for text in found for part in STANDS_FOR.split(text))
    assert sorted({text for text, part in fragments if len(part) >= SHORTEST and part not in code}) == []


def test_every_stage_is_explained():
    table = PAGE.partition("| stage |")[2].partition("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in re.findall(r"`([\w-]+)`", line.split(" | ")[0])]
    assert sorted(named) == sorted(STAGES)
