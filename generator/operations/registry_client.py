"""What clients of this computer's user, such as docker and skopeo, need for the registry in a cluster."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from generator import command, registry_login
from generator.directories import of_user
from generator.errors import UserError
from generator.files import PRIVATE, rewrite

SECONDS = 30


def prove(port: int, ca: str, name: str, password: str) -> None:
    """UserError where the registry behind a port of this computer does not take the login, or is not the cluster's."""
    context = ssl.create_default_context(cadata=ca)
    connection = http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", "/v2/", headers={"Authorization": f"Basic {registry_login.basic(name, password)}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise UserError(
            f"The registry in the cluster does not answer: {error}.", "`anywhere status` shows whether it runs."
        ) from None
    finally:
        connection.close()
    if status == http.client.UNAUTHORIZED:
        raise UserError(
            f"The registry does not take this password of {name}.",
            "A new one is taken within two minutes. `anywhere registry user add` makes another.",
        )
    if status != http.client.OK:
        raise UserError(f"The registry answers with {status}.", "`anywhere status` shows whether it is well.")


def trust(reference: str, ca: str) -> Path:
    """Have skopeo, podman and buildah of this user believe the cluster's authority for `reference`; the file.

    Docker looks nowhere in a user's home, and believes whoever serves localhost.
    """
    path = of_user("~/.config/containers/certs.d") / reference / "anywhere.crt"
    _make(path.parent)
    _write(path, ca.encode(), None)
    return path


def log_in(reference: str, name: str, password: str) -> str:
    """Keep the login where clients look for it, as `docker login` does; where that is, in words."""
    path = of_user(os.environ.get("DOCKER_CONFIG") or "~/.docker") / "config.json"
    config = _read(path)
    if helper := _helper(config, reference):
        _store(helper, reference, name, password)
        return f"docker-credential-{helper}"
    config.setdefault("auths", {})[reference] = {"auth": registry_login.basic(name, password)}
    _make(path.parent)
    _write(path, f"{json.dumps(config, indent=1)}\n".encode(), PRIVATE)
    return str(path)


def _read(path: Path) -> MutableMapping[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8") or "{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", "Check who owns it, or set DOCKER_CONFIG."
        ) from None
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(config, dict):
        raise _damaged(path, "it is not an object")
    for part in ("auths", "credHelpers"):
        if not isinstance(config.get(part, {}), dict):
            raise _damaged(path, f"{part} is not an object")
    return config


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a configuration of Docker: {reason}.", "Fix it or move it away. It was not changed."
    )


def _helper(config: MutableMapping[str, Any], reference: str) -> str:
    """The program that keeps logins to this registry; "" where they are in the file."""
    return str(config.get("credHelpers", {}).get(reference, config.get("credsStore", "")))


def _store(helper: str, reference: str, name: str, password: str) -> None:
    said = json.dumps({"ServerURL": reference, "Username": name, "Secret": password})
    program = command.find(f"docker-credential-{helper}")
    done = subprocess.run([program, "store"], input=said, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise UserError(
            f"docker-credential-{helper} does not keep the login: {(done.stdout + done.stderr).strip()}.",
            "Docker's config.json names it as credsStore or in credHelpers.",
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made: {error.strerror}.", "Check what is there, and who owns it."
        ) from None


def _write(path: Path, data: bytes, mode: int | None) -> None:
    try:
        rewrite(path, data, mode)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", "Check who owns it. It was not changed."
        ) from None
