"""`anywhere` as the pipelines' tests run it: this checkout's, on a target that is there at once.

PLACE names a folder with what the target is: its Terraform module, its state, which every checkout shares, and the URL
of its API.
"""

import json
import os
import sys
from pathlib import Path

from generator import cli, packages, render
from generator.operations import artifacts, project
from tests.cli.target import Nowhere


class Shared(Nowhere):
    """A target whose state is elsewhere, as a pipeline's must be."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def backend(self, definition):
        return {"local": {"path": str(self._place / "terraform.tfstate")}}

    def tree(self, *args):
        backend = {"terraform": {"backend": self.backend(None)}}
        main = (self._place / "machines.tf").read_bytes()
        return {"machines.tf": main, render.BACKEND: json.dumps(backend).encode()}


def main() -> int:
    target = Shared(Path(os.environ["PLACE"]))
    project.load = lambda name: target
    artifacts.fetch = lambda *args: None
    packages.resolve_updates = lambda *args: None
    render.tree = target.tree
    return cli.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
