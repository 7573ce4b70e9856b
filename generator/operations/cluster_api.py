"""The cluster's own API, through the administrator's kubeconfig of a project."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from generator.errors import UserError
from generator.kubernetes import Client

T = TypeVar("T")


def client(kubeconfig: Path, timeout: float = 5.0) -> Client:
    """A client for the cluster that `kubeconfig` reaches, which waits `timeout` seconds for each answer."""
    return _of(kubeconfig, lambda document: Client(document, timeout))


def authority(kubeconfig: Path) -> str:
    """The certificates that vouch for the cluster that `kubeconfig` reaches."""
    return _of(kubeconfig, _authority)


def _authority(document: Any) -> str:
    return base64.b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]).decode()


def _of(kubeconfig: Path, made: Callable[[Any], T]) -> T:
    """What is made of the document in `kubeconfig`; UserError where it is not there or damaged."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return made(YAML(typ="safe", pure=True).load(kubeconfig.read_text()))
    except FileNotFoundError:
        raise UserError(f"There is no {kubeconfig}.", "Run `anywhere kubeconfig`, or apply first.") from None
    except (YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{kubeconfig} is damaged: {error}.", "Write it again: `anywhere kubeconfig`.") from None
