"""Components that are to be other than anywhere has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from generator.components.container import Container
from generator.components.node import CONFIGURATION
from generator.definition import Tuning

ADDED_TO = ("enable-admission-plugins",)  # lists that keep what anywhere has in them


def tuned(container: Container, tuning: Tuning) -> Container:
    """The component with further flags, in the place of its own of the same name, and with further configuration."""
    made = replace(container, command=(*_replaced(container.command, tuning.flags), *_new(container, tuning)))
    if not tuning.config:
        return made
    configuration = json.loads(made.files[CONFIGURATION]) | tuning.config
    return replace(made, files={**made.files, CONFIGURATION: json.dumps(configuration, indent=2) + "\n"})


def _replaced(command: tuple[str, ...], flags: Mapping[str, str]) -> list[str]:
    words = []
    for word in command:
        name, _, value = word.removeprefix("--").partition("=")
        given = flags.get(name) if word.startswith("--") else None
        if given is not None and name in ADDED_TO:
            given = ",".join(dict.fromkeys((*value.split(","), *given.split(","))))
        words.append(word if given is None else f"--{name}={given}")
    return words


def _new(container: Container, tuning: Tuning) -> list[str]:
    own = {word.removeprefix("--").partition("=")[0] for word in container.command if word.startswith("--")}
    return [f"--{name}={tuning.flags[name]}" for name in sorted(tuning.flags.keys() - own)]
