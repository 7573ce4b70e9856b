"""What machines are told of their proxy: environment variables, as every program reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from generator import dns_names
from generator.definition import Definition

# A machine itself, and the clouds' metadata services, which know a machine by who asks.
_DIRECT = ("localhost", "127.0.0.1", "::1", "169.254.169.254", "metadata.google.internal")
_NAMES = (".svc", ".cluster.local", f".{dns_names.DOMAIN}")


def variables(definition: Definition) -> dict[str, str]:
    """By name, capital and small; {} without a proxy. What is the cluster's own never goes through it."""
    proxy, network = definition.proxy, definition.network
    if proxy is None:
        return {}
    ranges = (str(network.machines), str(network.pods), str(network.services))
    direct = dict.fromkeys((*_DIRECT, *ranges, *_NAMES, *proxy.no_proxy))
    said = {"http_proxy": proxy.http, "https_proxy": proxy.https, "no_proxy": ",".join(direct)}
    return {cased: value for name, value in said.items() if value for cased in (name, name.upper())}


def environment_file(variables: Mapping[str, str]) -> str:
    """The variables as a file that systemd and a shell both read; as `agent.proxy` writes it."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))
