"""The leading master: its controller of the rollout."""

from __future__ import annotations

import contextlib
import http.client
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from agent.host import NodeError
from agent.rollout import CALM_SECONDS, LOOK_SECONDS, Controller

from benchmarks.rollout.place import Place


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks while something is under way, and while nothing is."""

    busy: float = LOOK_SECONDS
    calm: float = CALM_SECONDS


def run(place: Place, document: Path, pace: Pace) -> None:
    """Look as a leader does, until this process is ended. What it says of it goes to a file."""
    place.lead()
    with (place.folder / "leader.log").open("w", buffering=1) as log, contextlib.redirect_stdout(log):
        while True:
            try:
                _lead(Controller(document, place.etcd_client(), place.administrator()), pace, log)
            except (OSError, NodeError, http.client.HTTPException) as error:  # as `agent.rollout` goes on after them
                log.write(f"waiting for the control plane: {error}\n")
            time.sleep(pace.busy)


def _lead(controller: Controller, pace: Pace, log: TextIO) -> None:
    while True:
        begin = time.monotonic()
        busy = controller.look()
        log.write(f"looked for {time.monotonic() - begin:.1f} s\n")
        time.sleep(pace.busy if busy else pace.calm)
