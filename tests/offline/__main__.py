"""`python -m tests.offline COMMAND...`: runs a command without a cloud, and where it must be without a registry."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request

from tests.offline import cloud, offline

_REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
_SECONDS = 3


def registry_is_reachable() -> bool:
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_SECONDS):
            return True
    except OSError:
        return False


def main() -> int:
    command = sys.argv[1:]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    reachable = registry_is_reachable()
    chosen, said = (cloud, "the registry's own") if reachable else (offline, "stand-ins that create nothing")
    print(f"offline: Terraform providers: {said}; AWS: moto; Google: a server of ours", file=sys.stderr)
    with chosen() as environment:
        # An AWS_PROFILE of the caller would win over the keys.
        mine = {name: value for name, value in os.environ.items() if name != "AWS_PROFILE"}
        return subprocess.run(command, env={**mine, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
