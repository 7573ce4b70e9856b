"""The one way to Google: clients of one project, and every refusal as an error that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from threading import Lock as Mutex
from typing import Any

from providers.gce import refusal

ENDPOINT = "ANYWHERE_GCE_ENDPOINT"  # an emulator's address, asked without credentials instead of Google
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 30.0
TRIES_SECONDS = 20.0
FIRST_WAIT = 0.5  # seconds between the first two tries


class Session:
    """Clients of `project` and `region`, made when first asked for. Safe to use from several threads.

    Credentials are Application Default Credentials, found as by every Google library.
    """

    def __init__(self, project: str, region: str) -> None:
        self.project, self.region = project, region
        self._clients: dict[str, Any] = {}
        self._mutex = Mutex()
        self._found: Any = None
        self._http: Any = None

    def call(self, client: str, method: str, purpose: str, **fields: Any) -> Any:
        """The answer of google-cloud-compute's `client`.`method`; `fields` are those of its request.

        `purpose` ends the sentence "Google was asked to ...", for errors.
        """
        return self._asking(purpose, lambda: self._invoke(client, method, fields))

    def items(self, client: str, method: str, purpose: str, **fields: Any) -> list[Any]:
        """All of what a request lists, over all pages; of an aggregated list, all of every scope."""
        found: list[Any] = self._asking(purpose, lambda: list(_flat(self._invoke(client, method, fields))))
        return found

    def wait(self, client: str, method: str, purpose: str, seconds: float, **fields: Any) -> None:
        """Have something done, and wait until it is."""
        self._asking(purpose, lambda: self._invoke(client, method, fields).result(timeout=seconds))

    def rest(self, purpose: str, method: str, url: str, body: Any = None, accepted: Iterable[int] = ()) -> Any:
        """The JSON answer of another Google API at `url`; None without content, or for an `accepted` status."""

        def ask() -> Any:
            response = self._session().request(method, self._address(url), json=body, timeout=SECONDS)
            if response.status_code in accepted:
                return None
            found = _json(response)
            if response.status_code >= 400:
                raise refusal.answer(
                    response.status_code, found if isinstance(found, Mapping) else {}, purpose, self.project
                )
            return found

        return self._asking(purpose, ask)

    def who(self) -> str:
        """Whose credentials these are, as far as they say it themselves."""
        found = self._credentials()
        return str(getattr(found, "service_account_email", "") or getattr(found, "account", "") or type(found).__name__)

    def _invoke(self, client: str, method: str, fields: Mapping[str, Any]) -> Any:
        from google.api_core import exceptions, retry

        passing = retry.if_exception_type(
            exceptions.TooManyRequests, exceptions.ServiceUnavailable, exceptions.InternalServerError
        )
        again = retry.Retry(predicate=passing, initial=FIRST_WAIT, multiplier=2, timeout=TRIES_SECONDS)
        request = {"project": self.project, **fields}
        return getattr(self._client(client), method)(request=request, retry=again, timeout=SECONDS)

    def _client(self, name: str) -> Any:
        from google.cloud import compute_v1

        with self._mutex:
            if name not in self._clients:
                endpoint = os.environ.get(ENDPOINT)
                options = {"api_endpoint": endpoint} if endpoint else {}
                kind = getattr(compute_v1, name)
                self._clients[name] = kind(credentials=self._credentials(), client_options=options)
            return self._clients[name]

    def _session(self) -> Any:
        from google.auth.transport.requests import AuthorizedSession
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        with self._mutex:
            if self._http is None:
                self._http = AuthorizedSession(self._credentials())  # type: ignore[no-untyped-call]
                again = Retry(
                    total=3, backoff_factor=FIRST_WAIT, status_forcelist=(429, 500, 503), raise_on_status=False
                )
                for scheme in ("https://", "http://"):
                    self._http.mount(scheme, HTTPAdapter(max_retries=again))
            return self._http

    def _credentials(self) -> Any:
        if self._found is None:
            import google.auth
            from google.auth.credentials import AnonymousCredentials

            if os.environ.get(ENDPOINT):
                self._found = AnonymousCredentials()  # type: ignore[no-untyped-call]
            else:
                self._found, _ = google.auth.default(scopes=[SCOPE])
        return self._found

    def _address(self, url: str) -> str:
        """`url`, or its like on an emulator: the host becomes the first part of the path."""
        endpoint = os.environ.get(ENDPOINT)
        return f"{endpoint.rstrip('/')}/{url.removeprefix('https://')}" if endpoint else url

    def _asking(self, purpose: str, ask: Callable[[], Any]) -> Any:
        """Turn what Google's libraries raise into a GoogleError."""
        from concurrent.futures import TimeoutError as Late

        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

        try:
            return ask()
        except (GoogleAPIError, GoogleAuthError, RequestException, Late) as error:
            raise refusal.explain(error, purpose, self.project) from error


def last(url: str) -> str:
    """The name at the end of a resource's address."""
    return url.rpartition("/")[2]


def _flat(pages: Iterable[Any]) -> Iterable[Any]:
    """The things of a list; of an aggregated one, which pairs each scope with its things, those of every scope."""
    for item in pages:
        if not isinstance(item, tuple):
            yield item
            continue
        scope = item[1]
        for name in type(scope).meta.fields:
            if name != "warning":
                yield from getattr(scope, name)


def _json(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
