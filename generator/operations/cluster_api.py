"""The cluster's own API, through the administrator's kubeconfig of a project."""

from __future__ import annotations

from pathlib import Path

from generator.errors import UserError
from generator.kubernetes import Client


def client(kubeconfig: Path) -> Client:
    """A client for the cluster that `kubeconfig` reaches."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return Client(YAML(typ="safe", pure=True).load(kubeconfig.read_text()))
    except FileNotFoundError:
        raise UserError(f"There is no {kubeconfig}.", "Run `anywhere kubeconfig`, or apply first.") from None
    except (YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{kubeconfig} is damaged: {error}.", "Write it again: `anywhere kubeconfig`.") from None
