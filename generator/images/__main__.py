"""`python -m generator.images [DRIVER]`: have every image of a cluster in the cache, and list them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.errors import UserError
from generator.images import cache, catalog


class Lines:
    """Progress as plain lines on standard error."""

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        begun = time.monotonic()
        sys.stderr.write(f"{title} ...\n")
        yield
        sys.stderr.write(f"{title}: {time.monotonic() - begun:.1f} s\n")

    def note(self, line: str) -> None:
        sys.stderr.write(f"  {line}\n")


def main(driver: str = "flannel") -> int:
    """Resolve the images of the default Kubernetes version on `driver`."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anywhere"
    root = Path(os.environ.get("ANYWHERE_CACHE") or default).absolute()
    folder = Path(os.environ.get("ANYWHERE_IMAGES") or root / "images").absolute()
    try:
        images = cache.resolve(catalog.wanted(catalog.KUBERNETES, driver), folder, root, Lines())
    except UserError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 1
    for image in images.values():
        size = f"{image.size / 2**20:.1f} MiB"
        sys.stdout.write(f"{image.name:<10} {image.ref:<38} {size:>10} {image.source:<8} {image.id} {image.archive}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
