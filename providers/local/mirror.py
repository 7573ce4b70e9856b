"""Where Terraform finds the local provider: a mirror folder with one small script, the same bytes everywhere.

Terraform's lock file records the script's hash, so it holds no path of this host. The script finds the provider by
a link that every run of our CLI refreshes.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from generator import __version__
from generator.errors import UserError
from generator.files import write_atomic
from providers.local.home import data_home

HOST = "anywhere.local"
ADDRESS = f"{HOST}/anywhere/local"
PROGRAM = "anywhere-terraform-provider"

SCRIPT = b"""#!/bin/sh
# Starts the Terraform provider of the installed `anywhere`; its link is refreshed by every `anywhere` run.
[ -z "$ANYWHERE_TERRAFORM_PROVIDER" ] || exec "$ANYWHERE_TERRAFORM_PROVIDER" "$@"
link="${XDG_DATA_HOME:-$HOME/.local/share}/anywhere/bin/anywhere-terraform-provider"
[ ! -x "$link" ] || exec "$link" "$@"
exec anywhere-terraform-provider "$@"
"""


def folder(home: Path | None = None) -> Path:
    """The mirror; Terraform looks here by itself, and a `filesystem_mirror` in its CLI configuration may name it."""
    return (home or data_home()) / "terraform" / "plugins"


def program() -> Path:
    """The provider that belongs to this Python, else the one on PATH."""
    beside = Path(sys.executable).parent / PROGRAM
    if beside.exists():
        return beside
    found = shutil.which(PROGRAM)
    if found is None:
        raise UserError(f"{PROGRAM} is not installed.", "Install this package again, for example `pipx install .`.")
    return Path(found).absolute()


def _link(target: Path, link: Path) -> None:
    """Have `link` lead to `target`, without a moment in which it leads nowhere."""
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def install(home: Path | None = None) -> Path:
    """Write the mirror below `home` (`$XDG_DATA_HOME`) and refresh the link; the mirror's folder. Idempotent."""
    home = home or data_home()
    version = folder(home) / ADDRESS / __version__ / "linux_amd64"
    script = version / f"terraform-provider-local_v{__version__}"
    if not script.exists() or script.read_bytes() != SCRIPT:
        script.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(script, SCRIPT)
    script.chmod(0o755)
    _link(program(), home / "anywhere" / "bin" / PROGRAM)
    return folder(home)
