"""The login to a cluster's registry: told by the environment, and kept nowhere but where images are pulled."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from dataclasses import dataclass, field

from generator.definition import Definition, Registry
from generator.errors import UserError

USERNAME, PASSWORD = "ANYWHERE_REGISTRY_USERNAME", "ANYWHERE_REGISTRY_PASSWORD"


class NoLogin(UserError):
    """The environment lacks it: who only looks may do without."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who pulls from the registry at `host` (`host[:port]`)."""

    host: str
    username: str
    password: str = field(repr=False)

    def docker_config(self) -> str:
        """The same as Docker and skopeo read it: a JSON file of logins."""
        return json.dumps({"auths": {self.host: {"auth": basic(self.username, self.password)}}})


def basic(username: str, password: str) -> str:
    """A login as HTTP's Basic and Docker's config.json have it."""
    return b64encode(f"{username}:{password}".encode()).decode()


def of(definition: Definition) -> Login | None:
    """The login that a definition asks for; None where it asks for none; as `to`."""
    return to(definition.registry) if definition.registry else None


def to(registry: Registry) -> Login | None:
    """The login to `registry`, None where it needs none; NoLogin where the environment lacks it."""
    if not registry.login:
        return None
    username, password = os.environ.get(USERNAME, ""), os.environ.get(PASSWORD, "")
    lacking = [name for name, value in ((USERNAME, username), (PASSWORD, password)) if not value]
    if lacking:
        raise NoLogin(
            f"{registry.host} asks for a login (spec.registry.login), which the environment lacks.",
            f"export {' '.join(f'{name}=...' for name in lacking)}. Nothing of it is written to git, plan or state.",
        )
    if ":" in username:  # what stands after it would count as the password
        raise UserError(f"{USERNAME} has a colon in it.", f"The password goes to {PASSWORD}.")
    return Login(registry.host, username, password)
