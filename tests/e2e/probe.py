"""A client that writes and reads every 100 ms while a cluster changes, and tells what it could not do.

It asks through the address of the kubeconfig, as a person does, for a ConfigMap called `probe`.
"""

import json
import threading
import time
from pathlib import Path

from ruamel.yaml import YAML

from generator.errors import UserError
from generator.kubernetes import Client

PATH = "/api/v1/namespaces/default/configmaps/probe"
EVERY = 0.1  # seconds
RETRY = 1.0  # seconds until a request that failed is sent once more


class Probe:
    """`asked` counts requests, `retried` those that took a second one, `failed` those that failed twice.

    `lost` are writes that were acknowledged, and that a later read did not know. `seconds` is for how long it asked.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.asked = self.retried = 0
        self.seconds = 0.0
        self.failed, self.lost = [], []
        self._config = YAML(typ="safe").load(kubeconfig.read_text())
        self._over, self._thread = threading.Event(), threading.Thread(target=self._run)

    def __enter__(self):
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self.seconds = time.monotonic() - self.began

    def __str__(self) -> str:
        return f"{self.asked} requests, {self.retried} once more, {len(self.failed)} failed, {len(self.lost)} lost"

    def _client(self) -> Client:
        return Client(self._config, timeout=10)

    def _run(self) -> None:
        acknowledged, count, client = 0, 0, self._client()
        while not self._over.wait(EVERY):
            count += 1
            if self._try(lambda count=count: client.patch(PATH, {"data": {"count": str(count)}})):
                acknowledged = count
            read = self._try(lambda: client.get(PATH))
            if read and int(read["data"]["count"]) < acknowledged:
                self.lost.append((acknowledged, json.dumps(read["data"])))

    def _try(self, ask):
        """What the request answers, True for nothing; None where it failed twice."""
        self.asked += 1
        for left in (1, 0):
            try:
                return ask() or True
            except UserError as error:
                if not left:
                    self.failed.append((time.strftime("%T"), error.message))
                    return None
                self.retried += 1
                time.sleep(RETRY)
        return None
