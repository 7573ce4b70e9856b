"""What machines are told of their proxy: environment variables, as every program reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from generator import dns_names, outbound
from generator.definition import Definition

_NAMES = (".svc", ".cluster.local", f".{dns_names.DOMAIN}")


def variables(definition: Definition) -> dict[str, str]:
    """By name, capital and small; {} without a proxy. What is the cluster's own never goes through it."""
    proxy, network = definition.proxy, definition.network
    if proxy is None:
        return {}
    ranges = (str(network.machines), str(network.pods), str(network.services))
    direct = dict.fromkeys((*outbound.DIRECT, *ranges, *_NAMES, *proxy.no_proxy))
    said = {"http_proxy": proxy.http, "https_proxy": proxy.https, "no_proxy": ",".join(direct)}
    return {cased: value for name, value in said.items() if value for cased in (name, name.upper())}


def environment_file(variables: Mapping[str, str]) -> str:
    """The variables as a file that systemd and a shell both read; as `agent.proxy` writes it."""
    return "".join(f'{name}="{value}"\n' for name, value in sorted(variables.items()))
