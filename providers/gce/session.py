"""The one way to Google: clients of one project, and every refusal as an error that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock as Mutex
from typing import Any

from providers.gce import refusal

ENDPOINT = "ANYWHERE_GCE_ENDPOINT"  # an emulator's address, asked without credentials instead of Google
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PERSON = "https://openidconnect.googleapis.com/v1/userinfo"
WHO = "see whose credentials these are"
SECONDS = 20.0  # that one answer may take
TRIES_SECONDS = 20.0  # in which a request is tried again that met a passing fault
CHUNK = 1 << 20  # bytes of a download at a time
FIRST_WAIT = 0.5  # seconds between the first two tries


Passing = Callable[[BaseException], bool]


def _passing(error: BaseException) -> bool:
    """Whether the same request may well be answered later."""
    return isinstance(error, Exception) and refusal.explain(error, "", "").passing


def _never(error: BaseException) -> bool:
    return False


class Session:
    """Clients of `project` and `region`, made when first asked for. Safe to use from several threads.

    `host` is the project that owns the network: another one where it is shared.

    Credentials are Application Default Credentials, found as by every Google library. Where the environment variable
    ANYWHERE_GCE_ENDPOINT has an emulator's address (http://127.0.0.1:8080), everything is asked there, by nobody in
    particular: Compute at /compute/v1/..., any other API at /HOST/..., such as /storage.googleapis.com/storage/v1/b.
    """

    def __init__(self, project: str, region: str, host: str = "") -> None:
        self.project, self.region, self.host = project, region, host or project
        self._clients: dict[str, Any] = {}
        self._mutex = Mutex()
        self._found: Any = None
        self._http: Any = None

    def call(self, client: str, method: str, purpose: str, **fields: Any) -> Any:
        """The answer of google-cloud-compute's `client`.`method`; `fields` are those of its request.

        `purpose` ends the sentence "Google was asked to ...", for errors.
        """
        return self._asking(purpose, lambda: self._invoke(client, method, fields))

    def once(self, client: str, method: str, purpose: str, **fields: Any) -> Any:
        """The same, of something that is not worth a second try."""
        return self._asking(purpose, lambda: self._invoke(client, method, fields, _never))

    def items(self, client: str, method: str, purpose: str, **fields: Any) -> list[Any]:
        """All of what a request lists, over all pages; of an aggregated list, all of every scope, scope by scope."""
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
                raise refusal.answered(response.status_code, found, purpose, self.project)
            if found is None and response.content:
                raise refusal.not_google(purpose)
            return found

        return self._asking(purpose, ask)

    def download(self, purpose: str, url: str, path: Path) -> None:
        """Have what is at `url` in a file."""

        def ask() -> None:
            with self._session().get(self._address(url), stream=True, timeout=SECONDS) as response:
                if response.status_code >= 400:
                    raise refusal.answered(response.status_code, _json(response), purpose, self.project)
                with path.open("wb") as file:
                    for chunk in response.iter_content(CHUNK):
                        file.write(chunk)

        self._asking(purpose, ask)

    def who(self) -> str:
        """Whose credentials these are, as far as that can be told; they are tried as well."""
        if endpoint := os.environ.get(ENDPOINT):
            return f"nobody in particular, at {endpoint}"
        found = self._asking(WHO, self._fresh)
        name = getattr(found, "service_account_email", "") or getattr(found, "signer_email", "")
        if not name:
            person = self.rest(WHO, "GET", PERSON, accepted=(400, 401, 403, 404)) or {}
            name = person.get("email", "")
        return str(name or f"an account without a name ({type(found).__module__.rpartition('.')[2]})")

    def _fresh(self) -> Any:
        """The credentials, with a token that holds."""
        from google.auth.transport.requests import Request

        found = self._credentials()
        if not found.valid:
            found.refresh(Request())
        return found

    def _invoke(self, client: str, method: str, fields: Mapping[str, Any], passing: Passing = _passing) -> Any:
        from google.api_core import retry

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
                    total=3,
                    connect=0,
                    read=1,  # a connection that was kept may have been closed by then
                    backoff_factor=FIRST_WAIT,
                    status_forcelist=(429, 500, 503),
                    raise_on_status=False,
                    respect_retry_after_header=False,  # it may ask for minutes
                )
                for scheme in ("https://", "http://"):
                    self._http.mount(scheme, HTTPAdapter(max_retries=again))
            return self._http

    def _credentials(self) -> Any:
        if self._found is None:
            self._found = _anonymous() if os.environ.get(ENDPOINT) else _default(self.project)
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
        from google.protobuf.json_format import ParseError
        from requests.exceptions import RequestException

        try:
            return ask()
        except (GoogleAPIError, GoogleAuthError, RequestException, ParseError, Late) as error:
            raise refusal.explain(error, purpose, self.project) from error


def _anonymous() -> Any:
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()  # type: ignore[no-untyped-call]


def _default(project: str) -> Any:
    import warnings

    import google.auth
    from google.oauth2.credentials import Credentials

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no quota project: there is, below
        found, _ = google.auth.default(scopes=[SCOPE])
    if isinstance(found, Credentials) and not found.quota_project_id:
        # A person's requests count for gcloud's own project, which lacks most APIs, unless they name another.
        return found.with_quota_project(project)
    return found


def place(url: str) -> str:
    """A resource's address without its host, since Google has several."""
    return url.rpartition("projects/")[2]


def last(url: str) -> str:
    """The name at the end of a resource's address."""
    return url.rpartition("/")[2]


def _flat(found: Iterable[Any]) -> Iterator[Any]:
    """The things of a list; of an aggregated one, which pairs each scope with its things, those of every scope."""
    items = list(found)
    if not items or not isinstance(items[0], tuple):
        yield from items
        return
    # Scopes are keys of a map, which has another order in every process.
    for _, scope in sorted(items, key=lambda pair: pair[0]):
        for name in type(scope).meta.fields:
            if name != "warning":
                yield from getattr(scope, name)


def _json(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
