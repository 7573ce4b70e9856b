"""Commands in messages, completed with the FILE, --provider and --out of this run, so that they can be pasted."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import typer

from generator.cli.file_words import is_file
from generator.cli.options import DEFAULT_FILE
from generator.errors import UserError
from generator.sections import default_target

P = ParamSpec("P")
R = TypeVar("R")

_PROGRAM = "anywhere"

# The verbs that take a definition, and of these the ones that take no target.
_WITHOUT_TARGET = ("validate", "images list", "secrets recrypt")
_REGISTRY = (
    *("registry user add", "registry user remove", "registry user list"),
    *("registry login", "registry forward", "registry collect"),
)
_VERBS = (
    *("plan", "apply", "status", "doctor", "kubeconfig", "ssh", "logs", "destroy", "render", "env", "rollback"),
    *("graph", "dashboard", "version"),
    *("images lock", "images pull", "secrets update", "backend create"),
    *("rollout status", "rollout resume", "pki rotate", "etcd list", "etcd snapshot", "etcd restore"),
    *_REGISTRY,
    *_WITHOUT_TARGET,
)
_WITH_FOLDER = (  # those that take --out
    *("plan", "apply", "destroy", "render", "status", "doctor", "kubeconfig", "rollout status", "rollout resume"),
    *("pki rotate", "etcd restore", "dashboard", "version"),
    *_REGISTRY,
)
_DEFINITION = r"(?: '[^'`]*\.ya?ml'| [^ '`]*\.ya?ml)?"
_COMMAND = re.compile(rf"`anywhere ({'|'.join(_VERBS)})({_DEFINITION})((?: [^`]*)?)`")


@dataclass(frozen=True, slots=True)
class _Run:
    """What a verb was given: no target where `provider` is "", its usual folder where `out` is None."""

    file: Path
    provider: str
    out: Path | None


_runs: list[_Run] = []  # the verb at work is the last; a list, since threads have no context of their own


def complete(text: str, file: Path, provider: str, out: Path | None = None) -> str:
    """`text`, where each command in backquotes names definition, target and folder if they are not the defaults.

    Where nobody chose a target, `provider` "", it is the default, else the first that the definition is for.
    """

    def completed(found: re.Match[str]) -> str:
        verb, named, rest = found.groups()
        chosen = "" if verb in _WITHOUT_TARGET or "--provider" in rest else target
        placed = folder if verb in _WITH_FOLDER and "--out" not in rest else ""
        return f"`anywhere {verb}{named or f' {_as_argument(file)}'}{chosen}{placed}{rest}`"

    if not _COMMAND.search(text):
        return text
    sections = _sections(file)
    default = os.environ.get("ANYWHERE_PROVIDER") or default_target(sections)
    meant = provider or default or sections[0]
    target = "" if meant == default else f" --provider {meant}"
    folder = f" --out {shlex.quote(str(out))}" if out else ""
    return _COMMAND.sub(completed, text) if target or folder or file != DEFAULT_FILE else text


def _as_argument(file: Path) -> str:
    """Its path, quoted; one that begins as an option does is told from one."""
    return shlex.quote(f"./{file}" if str(file).startswith("-") else str(file))


def here(text: str) -> str:
    """`text` with the commands completed for the verb that is at work, and beginning as the one that runs did."""
    completed = complete(text, _runs[-1].file, _runs[-1].provider, _runs[-1].out) if _runs else text
    return completed.replace("`anywhere ", f"`{called} ") if (called := _called()) else completed


def _called() -> str:
    """How this program was called, where its bare name would not find one: `.venv/bin/anywhere` under make; else ""."""
    program = sys.argv[0]
    bare = Path(program).name != _PROGRAM or shutil.which(_PROGRAM)
    return "" if bare else shlex.quote(program)


def document(value: Any) -> str:
    """`value` as JSON. Its commands are completed before they are quoted: a file's name may hold what JSON escapes."""
    return json.dumps(_completed(value), indent=2)


def _completed(value: Any) -> Any:
    if isinstance(value, str):
        return here(value)
    if isinstance(value, dict):
        return {key: _completed(each) for key, each in value.items()}
    return [_completed(each) for each in value] if isinstance(value, (list, tuple)) else value


def say(text: str, *, err: bool = False) -> None:
    """Print `text`, whose commands can be pasted."""
    typer.echo(here(text), err=err)


def hints(verb: Callable[P, R]) -> Callable[P, R]:
    """`verb`, which names commands that can be pasted, in its errors too."""

    @wraps(verb)
    def run(*args: P.args, **given: P.kwargs) -> R:
        with _at_work(_run(given)):
            try:
                return verb(*args, **given)
            except UserError as error:
                error.message, error.hint = here(error.message), here(error.hint)
                raise

    return run


@contextmanager
def _at_work(run: _Run) -> Iterator[None]:
    _runs.append(run)
    try:
        yield
    finally:
        _runs.pop()


def _sections(file: Path) -> tuple[str, ...]:
    """The targets that a definition has sections of; () also where it cannot be read."""
    from generator import source

    try:
        value = source.read(file).value
    except UserError:
        return ()
    found = value.get("providers") if isinstance(value, dict) else None
    return tuple(str(name) for name in found) if isinstance(found, dict) else ()


def _run(given: dict[str, Any]) -> _Run:
    return _Run(_file(given), str(given.get("provider") or ""), given.get("out"))


def _file(given: dict[str, Any]) -> Path:
    """The definition: `ssh` and `logs` have it among their words; of those that `validate` takes it is the first."""
    words = [word for word in given.get("words", ())[:1] if is_file(word)]
    files = words or given.get("files") or [given.get("file", DEFAULT_FILE)]
    return Path(files[0])
