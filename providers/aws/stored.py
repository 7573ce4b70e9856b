"""What machines with etcd keep in the bucket of documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from providers.aws.session import Session

CHUNK = 1 << 20


class Stored:
    """See `providers.Stored`."""

    def __init__(self, session: Session, cluster: str, account: str) -> None:
        self._session, self._bucket = session, f"{cluster}-documents-{account}"

    def names(self, prefix: str) -> tuple[str, ...]:
        asked = {"Bucket": self._bucket, "Prefix": prefix}
        found = self._session.items("s3", "list_objects_v2", "Contents", f"list s3://{self._bucket}", **asked)
        return tuple(sorted(each["Key"] for each in found))

    def read(self, key: str, path: Path) -> None:
        asked = {"Bucket": self._bucket, "Key": key}
        body = self._session.call("s3", "get_object", f"read s3://{self._bucket}/{key}", **asked)["Body"]
        with path.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK):
                file.write(chunk)

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        asked: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "Body": json.dumps(dict(value)).encode()}
        self._session.call("s3", "put_object", f"write s3://{self._bucket}/{key}", **asked)
