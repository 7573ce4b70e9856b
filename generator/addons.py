"""Add-on manifests, by group: `bootstrap` before any machine joins, `cluster` once the control plane is up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from generator.definition import Definition
from generator.lock import Lock


def manifests(definition: Definition, lock: Lock, dns: str) -> dict[str, dict[str, str]]:
    """Group -> file name -> YAML. `dns` is the address of the DNS Service."""
    wanted = {"dns": "dns.yaml", "weave": "network-policy.yaml"}
    chosen = [wanted[name] for name in (*definition.addons, lock.driver) if name in wanted]
    bootstrap = ["bootstrap.yaml", *(["flannel.yaml"] if lock.driver == "flannel" else [])]
    alike = next(iter(lock.images.values()))  # an image has one name on every architecture
    values = {
        "images": {name.replace("-", "_"): image.ref for name, image in alike.items()},
        "dns": dns,
        "driver": lock.driver,
    }
    return {
        "bootstrap": {name: _render(name, values) for name in bootstrap},
        "cluster": {name: _render(name, values) for name in chosen},
    }


def _render(name: str, values: Mapping[str, Any]) -> str:
    import jinja2

    text = resources.files("modules").joinpath("addons", f"{name}.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(text).render(values)
