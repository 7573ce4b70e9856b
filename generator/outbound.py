"""How this computer reaches the outside: its proxies and authorities, said in every way that programs look for them.

curl and apt read `http_proxy` alone, Go `HTTP_PROXY` first; OpenSSL and Go read `SSL_CERT_FILE`, AWS's and Google's
libraries `REQUESTS_CA_BUNDLE`. Whichever a person sets holds for all that this program does and runs.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from generator.errors import UserError

# Never behind a proxy: a computer itself, and the clouds' metadata services, which know a machine by who asks.
DIRECT = ("localhost", "127.0.0.1", "::1", "169.254.169.254", "metadata.google.internal")
PROXIES = ("http_proxy", "https_proxy")
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def settle(environment: MutableMapping[str, str]) -> None:
    """Complete these environment variables; where no proxy and no bundle is set, nothing is.

    UserError where a bundle of certificates is named that is not there.
    """
    for name in PROXIES:
        _both(environment, name, environment.get(name) or environment.get(name.upper(), ""))
    if any(environment.get(name) for name in PROXIES):
        said = environment.get("no_proxy") or environment.get("NO_PROXY", "")
        hosts = [host.strip() for host in said.split(",") if host.strip()]
        _both(environment, "no_proxy", said if hosts == ["*"] else ",".join(dict.fromkeys([*hosts, *DIRECT])))
    _bundle(environment)


def _both(environment: MutableMapping[str, str], name: str, value: str) -> None:
    """Set a variable by its small and its capital name, as the small one does where they differ."""
    if value:
        environment[name] = environment[name.upper()] = value


def _bundle(environment: MutableMapping[str, str]) -> None:
    said = next((name for name in BUNDLES if environment.get(name)), None)
    if said is None:
        return
    path = Path(environment[said]).absolute()  # programs run in folders of their own
    if not path.is_file():
        raise UserError(
            f"{said} is {environment[said]!r}, which is not a file.",
            "Name a PEM file with every authority to trust, such as /etc/ssl/certs/ca-certificates.crt, or unset it.",
        )
    for name in BUNDLES:
        environment[name] = environment.get(name) or str(path)
    environment[said] = str(path)
