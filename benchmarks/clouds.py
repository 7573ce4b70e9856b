"""`python -m benchmarks.clouds`: user-data in bytes, and render and plan of clusters in clouds as they grow.

Plans are Terraform's own, on the real providers' schemas with stand-ins for the providers.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.clock import Row, measure, table
from tests import clouds
from tests.offline import offline

SIZES = (7, 100, 1000)  # machines in all; star-wars has 3 for etcd, 1 master, and the rest are workers


def user_data(target: str, folder: Path) -> Iterator[str]:
    """Raw and compressed bytes a role; AWS takes 16,384 raw."""
    for path in sorted((folder / "user-data").iterdir()):
        data = path.read_bytes()
        yield f"{target} user-data {path.stem}: {len(data)} bytes, {len(gzip.compress(data, mtime=0))} gzipped"


def growth(target: str, folder: Path, environment: dict[str, str]) -> Iterator[Row]:
    """Render and plan at each size, with the resources that the plan makes."""
    for machines in SIZES:
        out, spec = folder / f"{target}-{machines}", {"workers": {"count": machines - 4, "size": "medium"}}
        render = partial(clouds.write, out, target, "star-wars", spec)
        yield measure(f"{target}: render {machines} machines", render, "definition read, tree written")
        cluster = clouds.Cluster(out, environment)
        cluster.terraform("init")
        made = f"{len(cluster.changes())} resources"
        yield measure(f"{target}: plan {machines} machines", partial(cluster.terraform, "plan"), made, times=3)


def main() -> None:
    targets = sys.argv[1:] or list(clouds.FACTS)
    with tempfile.TemporaryDirectory(prefix="anywhere-bench-") as name, offline() as stand_ins:
        folder, environment, rows = Path(name), {**os.environ, **stand_ins}, list[Row]()
        for target in targets:
            rows += growth(target, folder, environment)
            sys.stdout.writelines(f"{line}\n" for line in user_data(target, folder / f"{target}-{SIZES[0]}"))
        sys.stdout.write(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n{table(rows)}\n")


if __name__ == "__main__":
    main()
