"""What machines with etcd keep at the metadata address, beside the documents of the cluster."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.errors import UserError
from providers.local.home import ClusterFolder, write_json


class Stored:
    """See `providers.Stored`."""

    def __init__(self, cluster: ClusterFolder) -> None:
        self._folder = cluster.stored

    def names(self, prefix: str) -> tuple[str, ...]:
        files = (path for path in (self._folder / prefix).glob("*") if path.is_file())
        return tuple(sorted(f"{prefix}{path.name}" for path in files if not path.name.startswith(".")))

    def read(self, key: str, path: Path) -> None:
        try:
            shutil.copyfile(self._folder / key, path)
        except FileNotFoundError:
            raise UserError(f"There is no {self._folder / key}.") from None

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        write_json(self._folder / key, dict(value))
