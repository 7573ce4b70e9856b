"""YAML read as plain values, with the line of each: the source of every message about a file."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from generator import git
from generator.errors import ROOT, InvalidFile, Problem, UserError

if TYPE_CHECKING:
    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

LIMIT = 256 * 1024  # bytes; a definition of a thousand pools is smaller
DEPTH = 32  # levels of mappings and lists
LARGEST_BITS = 64  # of a whole number: no field takes a larger one, and Python prints only so many digits
Keys = tuple[str | int, ...]

_APPLY = "`anywhere apply cluster.yaml --plan PLAN` applies a saved plan"

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_./-]{1,100}")
_OCTAL = re.compile(r"0[0-7]+")
_TEXT = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "timestamp", "merge", "value"))
_OTHER = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_COLLECTIONS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq"))


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML mapping: its plain `value` (JSON types), the line of each path, and what is wrong with its YAML."""

    file: str
    value: dict[str, Any]
    lines: dict[Keys, int]
    problems: tuple[tuple[Keys, Problem], ...]

    def line(self, keys: Keys) -> int:
        """The line of the value at `keys`, or of what is nearest around it."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return self.lines.get(keys, 1)

    def problem(self, keys: Keys, message: str, hint: str = "") -> Problem:
        return Problem(dotted(keys), self.line(keys), message, hint)


def read(path: Path) -> Source:
    """Read one YAML mapping. UserError where it cannot be read, InvalidFile where it is no single mapping."""
    first, *others = _compose(str(path), _text(path))
    if others:
        line = others[0].start_mark.line + 1
        problem = Problem(ROOT, line, "has more than one document", "keep one document to a file")
        raise InvalidFile(str(path), [problem])
    return _mapping_of(str(path), first, _Reader())


def read_manifest(path: Path) -> tuple[Source, ...]:
    """Read the documents of a file of Kubernetes objects, each a mapping; empty ones are none. Errors as of `read`."""
    nodes = _compose(str(path), _text(path))
    found = [node for node in nodes if not str(node.tag).endswith(":null")]
    return tuple(_mapping_of(str(path), node, _Manifest()) for node in found or nodes)


def _mapping_of(file: str, node: Node, reader: _Reader) -> Source:
    value = reader.plain(node, ())
    if not isinstance(value, dict):
        raise InvalidFile(file, [Problem(ROOT, reader.lines[()], "should be a mapping of keys to values")])
    return Source(file, value, reader.lines, tuple(reader.problems))


def dotted(keys: Keys) -> str:
    """`("spec", "workers", 0, "name")` -> `spec.workers[0].name`; odd keys are quoted."""
    if not keys:
        return ROOT
    parts = []
    for key in keys:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif _PLAIN_KEY.fullmatch(key):
            parts.append(f".{key}")
        else:
            parts.append(f".{shown(key)}")
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """`value` as a message shows it: one line, at most about 60 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise UserError(
            f"There is no file {path}.",
            f"Check the path, or make a definition with `anywhere init {shlex.quote(str(path))}`.",
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the path of a readable YAML file.") from None
    if data.startswith(b"PK\x03\x04"):
        raise InvalidFile(
            str(path), [Problem(ROOT, 1, "is a saved plan or another archive, and no definition", _APPLY)]
        )
    if len(data) > LIMIT:
        raise InvalidFile(str(path), [Problem(ROOT, 1, f"is larger than {LIMIT // 1024} KiB", "is it the right file?")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidFile(str(path), [Problem(ROOT, line, "is not UTF-8 text", "save it as UTF-8")]) from None


def _compose(file: str, text: str) -> list[Node]:
    """The documents of `text`, as nodes; at least one."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    def malformed(line: int, message: str, hint: str = "") -> InvalidFile:
        return InvalidFile(file, [Problem(ROOT, line, message, hint)])

    if line := git.conflict(text):
        raise malformed(line, "has the markers of a merge conflict", "keep one side, and remove the markers")
    try:
        documents = list(_safe_yaml().compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context).split())
        raise malformed(mark.line + 1 if mark else 1, f"is not YAML: {what}", "check indentation and quotes") from None
    except YAMLError as error:  # a character that YAML refuses; `position` counts characters
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise malformed(line, "is not YAML: it has a control character", "remove it") from None
    except RecursionError:
        raise malformed(1, "is nested too deeply", f"write at most {DEPTH} levels") from None
    except (ValueError, LookupError, AttributeError, TypeError, AssertionError) as error:  # the parser's own faults
        raise malformed(1, f"is not YAML: {' '.join(str(error).split())}") from None
    documents = [node for node in documents if node is not None]
    if not documents:
        raise malformed(1, "is empty")
    return documents


def _safe_yaml() -> YAML:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into plain values, and notes lines and problems on the way."""

    depth: ClassVar[int] = DEPTH
    yaml: YAML = field(default_factory=_safe_yaml)
    lines: dict[Keys, int] = field(default_factory=dict)
    problems: list[tuple[Keys, Problem]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def wrong(self, keys: Keys, message: str, hint: str = "") -> None:
        self.problems.append((keys, Problem(dotted(keys), self.lines[keys], message, hint)))

    def plain(self, node: Node, keys: Keys) -> Any:
        self.lines.setdefault(keys, node.start_mark.line + 1)
        if id(node) in self.seen:
            self.wrong(keys, "is a YAML alias, which is not supported", "write the value out")
            return None
        if len(keys) > self.depth:
            self.wrong(keys[: self.depth], "is nested too deeply", f"write at most {self.depth} levels")
            return None
        self.seen.add(id(node))
        from ruamel.yaml.nodes import MappingNode, SequenceNode

        if isinstance(node, MappingNode | SequenceNode) and str(node.tag) not in _COLLECTIONS:
            self._tagged(node, keys)
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, SequenceNode):
            return self._sequence(node, keys)
        return self._scalar(node, keys)

    def _mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        from ruamel.yaml.nodes import ScalarNode

        value: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, keys) if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                what = shown(key) if isinstance(key_node, ScalarNode) else "a list or mapping"
                message = f"has a key that is not text: {what}"
                self.problems.append((keys, Problem(dotted(keys), line, message, "put it in quotes")))
            elif key in value:
                here, first = (*keys, key), f"the first is on line {self.lines[(*keys, key)]}"
                self.problems.append((here, Problem(dotted(here), line, "is given twice", first)))
            else:
                self.lines[(*keys, key)] = line
                value[key] = self.plain(child, (*keys, key))
        return value

    def _sequence(self, node: SequenceNode, keys: Keys) -> list[Any]:
        return [self.plain(child, (*keys, index)) for index, child in enumerate(node.value)]

    def _scalar(self, node: Node, keys: Keys) -> str | int | float | bool | None:
        tag = str(node.tag)
        if tag in _TEXT:
            return self._text(str(node.value), keys)
        if tag not in _OTHER:
            self._tagged(node, keys)
            return None
        try:
            value = self._number(node)
        except (ValueError, OverflowError, KeyError, IndexError):
            value = str(node.value)
            large = tag.endswith(":int") and len(value) > LARGEST_BITS  # Python reads so many decimal digits only
        else:
            large = isinstance(value, int) and value.bit_length() > LARGEST_BITS
        if large:
            self.wrong(keys, "is too large a number", "put it in quotes if it is text")
            return None
        return value if isinstance(value, str | int | bool) or value is None else float(value)

    def _number(self, node: Node) -> Any:
        """A number, true, false or null."""
        return self.yaml.constructor.construct_object(node)

    def _tagged(self, node: Node, keys: Keys) -> None:
        self.wrong(keys, f"has the YAML tag {shown(str(node.tag))}, which is not supported", "remove the tag")

    def _text(self, value: str, keys: Keys) -> str | None:
        """`value`, where it can be written down again: a lone surrogate (`"\\ud800"`) cannot."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.wrong(keys, "is not text that UTF-8 can hold", "remove the escape")
            return None
        return value


class _Manifest(_Reader):
    """The same for Kubernetes, whose schemas of custom resources are deep, and for which 0644 is octal."""

    depth: ClassVar[int] = 128

    def _number(self, node: Node) -> Any:
        return int(node.value, 8) if _OCTAL.fullmatch(str(node.value)) else super()._number(node)
