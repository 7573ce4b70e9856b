"""Which Terraform or OpenTofu is run, and whether it is new enough."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.errors import UserError

# The first versions of either with write-only arguments, which keep secrets out of the state.
MINIMUM = (1, 11)
_GET = "Install Terraform >= 1.11 or OpenTofu >= 1.11 (`make setup` does), or point ANYWHERE_TERRAFORM at one."


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that speaks Terraform's command line."""

    path: Path

    @property
    def identity(self) -> str:
        """Changes when the program is replaced, and costs no process to ask."""
        stat = self.path.stat()
        return f"{self.path}:{stat.st_size}:{stat.st_mtime_ns}"

    def version(self) -> tuple[int, ...]:
        """Its version, as numbers."""
        try:
            # Without the user's own settings: where they are broken, even `version` fails.
            env = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
            env |= {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
            done = subprocess.run([self.path, "version", "-json"], env=env, capture_output=True, text=True, check=False)
            text = json.loads(done.stdout[done.stdout.index("{") :])["terraform_version"]
        except OSError as error:
            raise UserError(f"{self.path} cannot be run: {error.strerror}.", _GET) from None
        except (ValueError, KeyError):
            raise UserError(f"{self.path} does not answer as Terraform or OpenTofu does.", _GET) from None
        return tuple(int(number) for number in re.findall(r"\d+", text)[:3])

    def check(self) -> None:
        """UserError where it is too old."""
        version = self.version()
        if version < MINIMUM:
            shown = ".".join(map(str, version))
            raise UserError(f"{self.path} is version {shown}; 1.11 or newer is needed.", _GET)


def find(environment: Mapping[str, str]) -> Binary:
    """ANYWHERE_TERRAFORM, else the first of terraform and tofu on PATH or beside this Python that is new enough."""
    if chosen := environment.get("ANYWHERE_TERRAFORM"):
        path = shutil.which(chosen)
        if not path:
            raise UserError(f"ANYWHERE_TERRAFORM is {chosen!r}, which is not an executable.", _GET)
        return Binary(Path(path))
    path = f"{environment.get('PATH', '')}:{Path(sys.executable).parent}"
    candidates = [Binary(Path(f)) for name in ("terraform", "tofu") if (f := shutil.which(name, path=path))]
    if not candidates:
        raise UserError("Neither terraform nor tofu is on PATH.", _GET)
    if len(candidates) == 1:
        return candidates[0]
    return next((b for b in candidates if b.version() >= MINIMUM), candidates[0])
