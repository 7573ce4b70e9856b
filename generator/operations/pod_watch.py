"""The pods of a cluster's namespaces, look by look."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import replace

from generator.kubernetes import Client
from generator.workloads import CRASHES, RESTARTED, Pod, pod_of

CALM_SECONDS = 60.0  # how long a pod that restarted must run


class PodWatch:
    """What is seen of pods: those that restart again and again, and what they say before."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._restarts: dict[tuple[str, str], tuple[int, float]] = {}  # how often, and when that was seen to grow
        self._last_lines: dict[tuple[str, str, int], str] = {}  # by pod and how often it was restarted

    def pods(self, namespace: str) -> list[Pod]:
        """The pods of a namespace."""
        found = map(pod_of, self._client.items(f"/api/v1/namespaces/{namespace}/pods"))
        return [self._watched(namespace, pod) for pod in found]

    def last_lines(self, namespace: str, pods: Iterable[Pod]) -> dict[str, str]:
        """The last log line of each of `pods` that crashes, by its name."""
        return {pod.name: self._last_line(namespace, pod) for pod in pods if pod.trouble == CRASHES}

    def _watched(self, namespace: str, pod: Pod) -> Pod:
        """`pod`, in trouble where it is ready but was restarted shortly before.

        Its restarts are counted from look to look, since its machine's clock may differ from this computer's.
        """
        key = (namespace, pod.name)
        now, (count, grew) = time.monotonic(), self._restarts.get(key, (pod.restarts, -math.inf))
        self._restarts[key] = (pod.restarts, now if pod.restarts > count else grew)
        calm = min(now - self._restarts[key][1], abs(time.time() - pod.restarted))
        if pod.trouble or calm > CALM_SECONDS:
            return pod
        return replace(pod, trouble=RESTARTED, detail=f"{pod.restarts} times so far")

    def _last_line(self, namespace: str, pod: Pod) -> str:
        key = (namespace, pod.name, pod.restarts)
        if key not in self._last_lines:
            self._last_lines[key] = self._client.last_line(namespace, pod.name, pod.container)
        return self._last_lines[key]
