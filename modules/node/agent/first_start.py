"""The first start of a master: what later comes one after the other starts beside each other, as each waits more than
it works, and there is nothing yet that anyone depends on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agent import bundle, containers, health, node_certificates, replacement
from agent.docker import Docker
from agent.host import Host
from agent.network import Network
from agent.turns import Turns

API = "kube-apiserver"
BEFORE_USERS = ("etcd", API)  # what comes first, one after the other; all else uses the API


class FirstStart:
    """Of the API server and its users, `specs` being all components of the machine; nothing to do if one ever ran."""

    def __init__(
        self, release: Mapping[str, Any], me: Host, net: Network, own: Turns, specs: Sequence[Mapping[str, Any]]
    ) -> None:
        self._release, self._me, self._net, self._own = release, me, net, own
        self._api = [spec for spec in specs if spec["component"] == API and not replacement.is_there(spec["name"])]
        self._users = [spec for spec in specs if spec["component"] not in BEFORE_USERS] if self._api else []
        self._begun = False

    def begin(self) -> None:
        """Start the API server, and create its users meanwhile; it also waits for etcd, for some seconds.

        Before the API answers, its users would fail, and wait longer and longer between their attempts.
        """
        if self._begun or not self._api:
            return
        for api in self._api:
            containers.begin(self._release, self._filled(api), self._net, self._own)
        node_certificates.sign_first(self._release, self._me)
        bundle.hand_out(self._release, self._users)
        for user in self._users:
            containers.create(self._release, self._filled(user), self._net, self._own)
        self._begun = True

    def finish(self) -> None:
        """Start the kubelet as soon as the API answers, so that it soon registers the node.

        The others may do nothing before the API is healthy, and has the roles that they are granted: they would fail
        again and again, and a slow machine was seen to spend its time on that instead of on the roles.
        """
        self.begin()
        for api in self._api:
            health.wait_answering(api, Docker())
        for user in self._users:
            if user["component"] == "kubelet":
                containers.begin(self._release, self._filled(user), self._net, self._own)

    def _filled(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        return containers.filled(self._release, spec, self._me, self._net)
