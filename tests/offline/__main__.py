"""`python -m tests.offline [--copy FILE] COMMAND...`: runs a command on clouds that are served here.

With `--copy`, each word `{}` of COMMAND becomes a copy of the definition FILE, with copies of its lock, its secrets
and its manifests beside it: whatever the command writes, it writes there, and the folder is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from generator import lock, schema, store
from generator.errors import UserError
from tests.offline import offline, served_clouds

_REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
_SECONDS = 3


def registry_is_reachable() -> bool:
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_SECONDS):
            return True
    except OSError:
        return False


def copied(definition: Path, folder: Path) -> Path:
    """A copy of a definition, its lock, its secrets and its manifests in `folder`; of those that there are."""
    for file in (definition, lock.path_beside(definition), store.path_beside(definition)):
        with suppress(FileNotFoundError):
            shutil.copyfile(file, folder / file.name)
    for file in manifests(definition):
        copy = folder / file.relative_to(definition.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return folder / definition.name


def manifests(definition: Path) -> set[Path]:
    """The files of its own add-ons; none where the definition is wrong, which the command will say."""
    try:
        return {Path(each.file) for addon in schema.load(definition).own_addons for each in addon.objects}
    except UserError:
        return set()


def run(command: Sequence[str], extra: Mapping[str, str]) -> int:
    """The exit status of `command`, with clouds that are served here."""
    reachable = registry_is_reachable()
    chosen, said = (served_clouds, "the registry's own") if reachable else (offline, "stand-ins that create nothing")
    print(f"offline: Terraform providers: {said}; AWS: moto; Google: a server of ours", file=sys.stderr)
    with chosen() as environment:
        # An AWS_PROFILE of the caller would win over the keys.
        mine = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
        return subprocess.run(command, env={**mine, **environment, **extra}, check=False).returncode


def run_on_copy(definition: Path, command: Sequence[str]) -> int:
    """As `run`, on a copy of `definition`."""
    with tempfile.TemporaryDirectory(prefix="offline-") as name:
        folder = Path(name)
        copy = copied(definition, folder)
        if not copy.exists():
            print(f"offline: there is no file {definition}", file=sys.stderr)
            return 1
        print(f"offline: on a copy of {definition}: it, its lock and its secrets stay as they are", file=sys.stderr)
        # Secrets that are made for the copy need a key, which is not the user's to keep.
        throwaway = {} if store.path_beside(copy).exists() else {"XDG_CONFIG_HOME": str(folder / "config")}
        return run([str(copy) if word == "{}" else word for word in command], throwaway)


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.offline", description=__doc__)
    parser.add_argument("--copy", type=Path, metavar="FILE")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    given = parser.parse_args()
    if not given.command:
        parser.error("COMMAND is missing")
    return run_on_copy(given.copy, given.command) if given.copy else run(given.command, {})


if __name__ == "__main__":
    sys.exit(main())
