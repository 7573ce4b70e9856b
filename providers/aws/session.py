"""The one way to AWS: clients of one region, and every refusal as an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock as Mutex
from typing import Any

from providers.aws import regions

CONNECT_SECONDS = 5
READ_SECONDS = 30


class Session:
    """Clients of `region`, made when first asked for. Safe to use from several threads.

    Credentials, profile, endpoints (AWS_ENDPOINT_URL) and the number of tries (AWS_MAX_ATTEMPTS, 3 if unset) are
    found by boto3 in its usual places.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._clients: dict[tuple[str, str], Any] = {}
        self._mutex = Mutex()
        self._boto: Any = None

    def call(self, service: str, operation: str, purpose: str, region: str = "", **arguments: Any) -> dict[str, Any]:
        """The answer to one request. `purpose` ends the sentence "AWS was asked to ...", for errors."""
        with self._asking(service, operation, purpose, region):
            answer: dict[str, Any] = getattr(self._client(service, region), operation)(**arguments)
            return answer

    def items(
        self, service: str, operation: str, key: str, purpose: str, region: str = "", **arguments: Any
    ) -> list[dict[str, Any]]:
        """All of what a request lists under `key`, over all pages."""
        with self._asking(service, operation, purpose, region):
            client = self._client(service, region)
            if not client.can_paginate(operation):
                return list(getattr(client, operation)(**arguments).get(key, ()))
            pages = client.get_paginator(operation).paginate(**arguments)
            return [item for page in pages for item in page.get(key, ())]

    def home(self) -> str:
        """Where to ask about `region` itself."""
        return regions.home(self.region)

    def _session(self) -> Any:
        if self._boto is None:
            import boto3

            self._boto = boto3.Session(region_name=self.region)
        return self._boto

    def _client(self, service: str, region: str) -> Any:
        region = region or self.region
        with self._mutex:
            if (service, region) not in self._clients:
                from botocore.config import Config

                config = Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard"},
                    max_pool_connections=16,
                )
                self._clients[service, region] = self._session().client(service, region_name=region, config=config)
            return self._clients[service, region]

    @contextmanager
    def _asking(self, service: str, operation: str, purpose: str, region: str) -> Iterator[None]:
        """Turn what botocore raises into an AwsError."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        from providers.aws import refusal

        try:
            yield
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            request = refusal.Request(service, operation, purpose, region or self.region)
            raise refusal.explain(error, request) from error
