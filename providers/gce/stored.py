"""What machines with etcd keep in the bucket of documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from providers.gce.session import Session

STORAGE = "https://storage.googleapis.com"


class Stored:
    """See `providers.Stored`."""

    def __init__(self, session: Session, cluster: str, project_number: str) -> None:
        self._session, self._bucket = session, f"{cluster}-documents-{project_number}"

    def names(self, prefix: str) -> tuple[str, ...]:
        found: list[str] = []
        page = ""
        while True:
            asked = f"prefix={quote(prefix, safe='')}&fields=items(name),nextPageToken{page}"
            url = f"{STORAGE}/storage/v1/b/{self._bucket}/o?{asked}"
            answer = self._session.rest(f"list gs://{self._bucket}", "GET", url) or {}
            found += [each["name"] for each in answer.get("items", ())]
            if not (token := answer.get("nextPageToken")):
                return tuple(sorted(found))
            page = f"&pageToken={quote(token, safe='')}"

    def read(self, key: str, path: Path) -> None:
        url = f"{STORAGE}/storage/v1/b/{self._bucket}/o/{quote(key, safe='')}?alt=media"
        self._session.download(f"read gs://{self._bucket}/{key}", url, path)

    def write(self, key: str, value: Mapping[str, Any]) -> None:
        url = f"{STORAGE}/upload/storage/v1/b/{self._bucket}/o?uploadType=media&name={quote(key, safe='')}"
        self._session.rest(f"write gs://{self._bucket}/{key}", "POST", url, dict(value))
