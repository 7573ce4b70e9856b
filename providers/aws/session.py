"""The one way to AWS: clients of one region, and every refusal as an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock as Mutex
from typing import Any

CONNECT_SECONDS = 5
READ_SECONDS = 30

# Regions that an account has without asking for them. Any later one is off until somebody turns it on.
ALWAYS_ON = frozenset(
    {
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
        *("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"),
        *("ap-south-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *("cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"),
    }
)
_HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}  # by partition


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
        """The region to ask about `region` itself, which may be off or not exist at all."""
        return self.region if self.region in ALWAYS_ON else _HOME.get(self._partition(), "us-east-1")

    def _partition(self) -> str:
        with self._mutex:
            boto = self._session()
        try:
            return str(boto.get_partition_for_region(self.region))
        except Exception as error:  # a region that this botocore does not know
            if type(error).__name__ != "UnknownRegionError":
                raise
            return "aws"

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
