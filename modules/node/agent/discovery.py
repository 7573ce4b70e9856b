"""Where the API has the objects of a kind: it is asked once for each version of a group."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from agent.api import Api, ApiError
from agent.host import NodeError


class UnknownKind(NodeError):
    """The API has no such kind, or not yet: what defines it may still be on its way."""


class Discovery:
    """What one API server has. Errors as of `Api.call`, and UnknownKind."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kinds: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    def path(self, content: Mapping[str, Any], namespace: str) -> str:
        """The path of an object; `namespace` is for one that should be in one and names none."""
        root, kind, metadata = root_of(content), content["kind"], content["metadata"]
        if root not in self._kinds:
            self._kinds[root] = self._ask(root)
        found = self._kinds[root].get(kind)
        if found is None:
            raise UnknownKind(f"the API has no kind {kind} in {content['apiVersion']}")
        place = f"/namespaces/{metadata.get('namespace') or namespace}" if found["namespaced"] else ""
        return f"{root}{place}/{found['name']}/{urllib.parse.quote(metadata['name'], safe=':')}"

    def forget(self) -> None:
        """Ask anew from now on."""
        self._kinds.clear()

    def _ask(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        """The resources there by kind; none where the API does not have that version of a group."""
        try:
            found = self._api.call("GET", root)["resources"]
        except ApiError as error:
            if error.status != 404:
                raise
            return {}
        return {each["kind"]: each for each in found if "/" not in each["name"]}  # else a part of another, as status


def root_of(content: Mapping[str, Any]) -> str:
    """Where the API has what is of the version and group of an object."""
    version = content["apiVersion"]
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
