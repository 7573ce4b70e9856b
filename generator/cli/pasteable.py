"""Commands in messages, completed with the FILE and the --provider of this run, so that they can be pasted."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER
from generator.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")

# The verbs that take a definition, and of these the ones that take no target.
_WITHOUT_TARGET = ("validate", "images list", "secrets recrypt")
_VERBS = (
    *("plan", "apply", "status", "doctor", "kubeconfig", "ssh", "logs", "destroy", "render", "env", "rollback"),
    *("images lock", "images pull", "secrets update", "backend create"),
    *("rollout status", "rollout resume", "pki rotate", "etcd list", "etcd snapshot", "etcd restore"),
    *_WITHOUT_TARGET,
)
_DEFINITION = r"(?: '[^'`]*\.ya?ml'| [^ '`]*\.ya?ml)?"
_COMMAND = re.compile(rf"`anywhere ({'|'.join(_VERBS)})({_DEFINITION})((?: [^`]*)?)`")


def complete(text: str, file: Path, provider: str) -> str:
    """`text`, where each command in backquotes names the definition and the target, unless they are the defaults."""

    def completed(found: re.Match[str]) -> str:
        verb, named, rest = found.groups()
        chosen = "" if verb in _WITHOUT_TARGET or "--provider" in rest else target
        return f"`anywhere {verb}{named or f' {shlex.quote(str(file))}'}{chosen}{rest}`"

    target = "" if provider == _default_provider() else f" --provider {provider}"
    return _COMMAND.sub(completed, text) if target or file != DEFAULT_FILE else text


def hints(verb: Callable[P, R]) -> Callable[P, R]:
    """`verb`, whose errors name commands that can be pasted."""

    @wraps(verb)
    def run(*args: P.args, **given: P.kwargs) -> R:
        try:
            return verb(*args, **given)
        except UserError as error:
            # A verb that takes no target says nothing of which one a person means.
            file, provider = _file(given), str(given.get("provider") or _default_provider())
            error.message, error.hint = (complete(text, file, provider) for text in (error.message, error.hint))
            raise

    return run


def _default_provider() -> str:
    return os.environ.get("ANYWHERE_PROVIDER", DEFAULT_PROVIDER)


def _file(given: dict[str, Any]) -> Path:
    """The definition: `ssh` and `logs` have it among their words."""
    words = [word for word in given.get("words", ())[:1] if word.endswith((".yaml", ".yml"))]
    return Path(words[0]) if words else given.get("file", DEFAULT_FILE)
